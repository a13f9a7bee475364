/**
 * Runs a client's control channel after the handshake: opens channels, watches for silence, hands
 * up what it does not know. See ClientRoutine.
 */
import type { ClientSession } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { ClientRoutine } from '../engine/spec.ts';
import type { DataplaneContext } from './context.ts';
import type { TypescriptControlStream } from './control-stream.ts';
import { requireOwnStream } from './own-stream.ts';

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
  #routine: ClientRoutine;
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

  end(reason: EndReason): void {
    this.#control.destroy(reason);
  }

  #attach(): void {
    this.#armSilence();
    this.#control.attach({
      bytes: (chunk) => this.#onCommands(chunk),
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
