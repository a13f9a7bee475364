/**
 * Runs a server's control channel after the handshake: sends creates and heartbeats, ends on EOF,
 * hands every byte that comes up to the control plane (wire-v1 W7). See ServerRoutine.
 */
import type { ServerSession } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ServerRoutine } from '../engine/spec.ts';
import { type DataplaneContext, keyText } from './context.ts';
import type { TypescriptControlStream } from './control-stream.ts';
import type { Link } from './link.ts';
import { requireOwnStream } from './own-stream.ts';

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
  #routine: ServerRoutine;
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

  /** Sends that many create commands, all of one turn in one write. False: cannot be sent now. */
  request(count: number): boolean {
    if (this.#state !== 'running') return false;
    const { create } = this.#routine;
    if (this.#control.backlog + (this.#creates + count) * create.length > BACKLOG_MAX_BYTES)
      return false;
    this.#creates += count;
    this.#sendTimer ??= setImmediate(() => this.#sendCreates());
    return true;
  }

  /** Ends the control channel; `handler.ended` follows. */
  end(reason: EndReason): void {
    this.#control.destroy(reason);
  }

  #attach(): void {
    this.#armHeartbeat();
    this.#control.attach({
      bytes: (chunk) => this.#surplus(chunk),
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

  #sendCreates(): void {
    this.#sendTimer = undefined;
    // Suspended: they are sent when it is resumed.
    if (this.#state !== 'running' || this.#creates === 0) return;
    const { create } = this.#routine;
    const bytes = Buffer.alloc(create.length * this.#creates);
    for (let at = 0; at < bytes.length; at += create.length) bytes.set(create, at);
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
