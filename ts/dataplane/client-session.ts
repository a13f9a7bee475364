/**
 * Runs a client's control channel after the handshake: opens channels, watches for silence, hands
 * up what it does not know. With a server that reuses channels, it acts on frames. See ClientRoutine.
 */
import type { ClientSession } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ClientRoutine } from '../engine/spec.ts';
import type { DataplaneContext } from './context.ts';
import type { TypescriptControlStream } from './control-stream.ts';
import { encodeGaveUp, FrameReader } from './frames.ts';
import { requireOwnStream } from './own-stream.ts';
import { SessionUses } from './session-uses.ts';

/** What a peer that does not read may leave queued. */
const BACKLOG_MAX_BYTES = 65_536;

export interface ClientSessionOwner {
  /** The server wants this many more data channels. */
  create(count: number): void;
  ended(session: RunningClientSession): void;
}

export class RunningClientSession {
  readonly #context: DataplaneContext;
  readonly #session: ClientSession;
  readonly #owner: ClientSessionOwner;
  readonly #control: TypescriptControlStream;
  /** Uses of reusable channels. */
  readonly uses: SessionUses = new SessionUses((visitor, reason) => this.#gaveUp(visitor, reason));
  #routine: ClientRoutine;
  #frames: FrameReader | undefined;
  #state: 'running' | 'suspended' | 'ended' = 'running';
  #silence: NodeJS.Timeout | undefined;

  constructor(context: DataplaneContext, session: ClientSession, owner: ClientSessionOwner) {
    this.#context = context;
    this.#session = session;
    this.#owner = owner;
    this.#routine = session.routine;
    this.#control = requireOwnStream(session.control);
    this.#attach();
  }

  get routine(): ClientRoutine {
    return this.#routine;
  }

  get suspended(): boolean {
    return this.#state === 'suspended';
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  setRoutine(routine: ClientRoutine): void {
    this.#routine = routine;
    if (this.#state === 'running') this.#armSilence();
  }

  resume(routine: ClientRoutine): void {
    this.#state = 'running';
    this.#routine = routine;
    this.#attach();
  }

  /** Ends the control channel, with a goodbye where there is one; `handler.ended` follows. */
  end(reason: EndReason): void {
    if (this.#state === 'running') this.#control.leave(reason, this.#routine.goodbye);
    else this.#control.destroy(reason);
  }

  /** Resolves when the polite end of the control channel, if it has one, is over. */
  get gone(): Promise<void> {
    return this.#control.gone;
  }

  /** Cuts its polite end short. */
  cut(): void {
    this.#control.cut();
  }

  #attach(): void {
    this.#armSilence();
    const frames = this.#routine.reuse?.frames;
    if (frames !== undefined) this.#frames ??= new FrameReader(frames);
    this.#control.attach({
      bytes: (chunk) =>
        this.#frames === undefined ? this.#onCommands(chunk) : this.#onFrames(this.#frames, chunk),
      ended: (reason) => this.#ended(reason),
    });
  }

  /** Whole commands only; an incomplete one stays for the next call. */
  #onCommands(chunk: Buffer): number {
    const { create, heartbeat } = this.#routine;
    let at = 0;
    let creates = 0;
    for (; at + create.length <= chunk.length; at += create.length) {
      const command = chunk.subarray(at, at + create.length);
      if (command.equals(create)) {
        creates += 1;
      } else if (!command.equals(heartbeat)) {
        this.#suspend(chunk.subarray(at));
        break;
      }
    }
    if (at > 0) this.#silence?.refresh();
    if (creates > 0) this.#owner.create(creates);
    return at;
  }

  #onFrames(frames: FrameReader, chunk: Buffer): number {
    frames.feed(chunk);
    let channels = 0;
    while (this.#state === 'running') {
      const frame = frames.next();
      if (frame === undefined) break;
      this.#silence?.refresh();
      if (frame.kind === 'bad') this.end('control_data');
      // The peer knows; there is nothing to say.
      else if (frame.kind === 'drain') this.#control.destroy('drain');
      else if (frame.kind === 'channels') channels += frame.count;
      else if (frame.kind === 'gave up') this.uses.peerGaveUp(frame.visitor, frame.reason);
    }
    if (channels > 0 && this.#state === 'running') this.#owner.create(channels);
    return chunk.length;
  }

  #gaveUp(visitor: bigint, reason: number): boolean {
    const frames = this.#routine.reuse?.frames;
    const canSay = this.#state === 'running' && this.#control.backlog < BACKLOG_MAX_BYTES;
    if (frames === undefined || !canSay) return false;
    this.#control.send(encodeGaveUp(frames, visitor, reason));
    return true;
  }

  #suspend(surplus: Buffer): void {
    this.#state = 'suspended';
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#control.suspend(surplus);
    this.#context.tellSurplus(this.#session.handler, this.#control, this);
  }

  #armSilence(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    const { silenceTimeoutMs } = this.#routine;
    if (silenceTimeoutMs <= 0) return;
    this.#silence = setTimeout(() => this.end('heartbeat_timeout'), silenceTimeoutMs);
  }

  #ended(reason: EndReason): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#silence);
    this.#owner.ended(this);
    this.#context.tellEnded(this.#session.handler, reason);
  }
}
