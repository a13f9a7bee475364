/**
 * Runs a server's control channel after the handshake: asks for channels, sends heartbeats, ends on EOF.
 * Of a v1 peer it hands every byte that comes up to the control plane (wire-v1 W7); of one that reuses
 * channels it acts on the frames that come. See ServerRoutine.
 */
import type { ServerSession } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ReuseRules, ServerRoutine } from '../engine/spec.ts';
import { type DataplaneContext, keyText } from './context.ts';
import type { TypescriptControlStream } from './control-stream.ts';
import { encodeChannels, encodeGaveUp, FrameReader } from './frames.ts';
import type { Link } from './link.ts';
import { requireOwnStream } from './own-stream.ts';
import { SessionUses } from './session-uses.ts';

/** Commands that a peer who does not read may leave queued: 64 KiB of them. */
const BACKLOG_MAX_BYTES = 65_536;

export interface ServerSessionOwner {
  channel(link: Link): void;
  ended(session: RunningServerSession): void;
}

export class RunningServerSession {
  readonly #context: DataplaneContext;
  readonly #session: ServerSession;
  readonly #owner: ServerSessionOwner;
  readonly #control: TypescriptControlStream;
  readonly #key: string;
  /** Uses of reusable channels. */
  readonly uses: SessionUses = new SessionUses((visitor, reason) => this.#gaveUp(visitor, reason));
  #routine: ServerRoutine;
  #frames: FrameReader | undefined;
  #state: 'running' | 'suspended' | 'ended' = 'running';
  #creates = 0;
  #sendTimer: NodeJS.Immediate | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(context: DataplaneContext, session: ServerSession, owner: ServerSessionOwner) {
    this.#context = context;
    this.#session = session;
    this.#owner = owner;
    this.#routine = session.routine;
    this.#control = requireOwnStream(session.control);
    this.#key = keyText(session.key);
    context.sessions.set(this.#key, (link) => owner.channel(link));
    this.#attach();
  }

  get suspended(): boolean {
    return this.#state === 'suspended';
  }

  /** How the peer reuses data channels, once it is agreed on. */
  get reuse(): ReuseRules | undefined {
    const { reuse } = this.#routine;
    return reuse?.frames === undefined ? undefined : reuse;
  }

  /** Resolves when the polite end of the control channel, if it has one, is over. */
  get gone(): Promise<void> {
    return this.#control.gone;
  }

  /** Cuts its polite end short. */
  cut(): void {
    this.#control.cut();
  }

  setRoutine(routine: ServerRoutine): void {
    this.#routine = routine;
    if (this.#state === 'running') this.#armHeartbeat();
  }

  resume(routine: ServerRoutine): void {
    this.#state = 'running';
    this.#routine = routine;
    this.#attach();
    this.#sendTimer ??= setImmediate(() => this.#sendCreates());
  }

  /** Asks for that many channels, all of one turn in one write. False: cannot be sent now. */
  request(count: number): boolean {
    if (this.#state !== 'running') return false;
    const due = this.#encodedLength(this.#creates + count);
    if (this.#control.backlog + due > BACKLOG_MAX_BYTES) return false;
    this.#creates += count;
    this.#sendTimer ??= setImmediate(() => this.#sendCreates());
    return true;
  }

  /** Ends the control channel, with a goodbye where there is one; `handler.ended` follows. */
  end(reason: EndReason): void {
    if (this.#state === 'running') this.#control.leave(reason, this.#routine.goodbye);
    else this.#control.destroy(reason);
  }

  #attach(): void {
    this.#armHeartbeat();
    const frames = this.reuse?.frames;
    if (frames !== undefined) this.#frames ??= new FrameReader(frames);
    this.#control.attach({
      bytes: (chunk) =>
        this.#frames === undefined ? this.#surplus(chunk) : this.#onFrames(this.#frames, chunk),
      ended: (reason) => this.#ended(reason),
    });
  }

  #surplus(chunk: Buffer): number {
    this.#state = 'suspended';
    clearTimeout(this.#heartbeat);
    this.#control.suspend(chunk);
    this.#context.tellSurplus(this.#session.handler, this.#control, this);
    return chunk.length;
  }

  #onFrames(frames: FrameReader, chunk: Buffer): number {
    frames.feed(chunk);
    while (this.#state === 'running') {
      const frame = frames.next();
      if (frame === undefined) break;
      // Heartbeats prove nothing that TCP does not; channels are the server's to ask for.
      if (frame.kind === 'bad') this.#control.destroy('control_data');
      // The peer knows; there is nothing to say.
      else if (frame.kind === 'drain') this.#control.destroy('drain');
      else if (frame.kind === 'gave up') this.uses.peerGaveUp(frame.visitor, frame.reason);
    }
    return chunk.length;
  }

  #gaveUp(visitor: bigint, reason: number): boolean {
    const frames = this.reuse?.frames;
    const canSay = this.#state === 'running' && this.#control.backlog < BACKLOG_MAX_BYTES;
    if (frames === undefined || !canSay) return false;
    this.#control.send(encodeGaveUp(frames, visitor, reason));
    this.#heartbeat?.refresh();
    return true;
  }

  #encodedLength(count: number): number {
    // Frames carry a number: whatever it is, one of them is all.
    return this.reuse === undefined ? count * this.#routine.create.length : 0;
  }

  #encoded(count: number): Uint8Array {
    const frames = this.reuse?.frames;
    if (frames !== undefined) return encodeChannels(frames, count);
    const { create } = this.#routine;
    const bytes = Buffer.alloc(create.length * count);
    for (let at = 0; at < bytes.length; at += create.length) bytes.set(create, at);
    return bytes;
  }

  #sendCreates(): void {
    this.#sendTimer = undefined;
    // Suspended: they are sent when it is resumed.
    if (this.#state !== 'running' || this.#creates === 0) return;
    const bytes = this.#encoded(this.#creates);
    this.#creates = 0;
    this.#control.send(bytes);
    this.#heartbeat?.refresh();
  }

  #armHeartbeat(): void {
    clearTimeout(this.#heartbeat);
    const { heartbeat, heartbeatIntervalMs } = this.#routine;
    if (heartbeatIntervalMs <= 0) return;
    this.#heartbeat = setTimeout(() => {
      // A peer that does not read gets no more; TCP will say whether it is alive.
      if (this.#control.backlog < BACKLOG_MAX_BYTES) this.#control.send(heartbeat);
      this.#heartbeat?.refresh();
    }, heartbeatIntervalMs);
  }

  #ended(reason: EndReason): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#heartbeat);
    clearImmediate(this.#sendTimer);
    this.#context.sessions.delete(this.#key);
    this.#owner.ended(this);
    this.#context.tellEnded(this.#session.handler, reason);
  }
}
