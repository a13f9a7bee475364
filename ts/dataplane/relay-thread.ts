/**
 * Relays that a thread of the C++ addon runs: it takes over pairs of plain TCP sockets by duplicates of
 * their descriptors. JavaScript hears of each of them once more, at its end. What is not plain TCP, or
 * cannot be taken over now, is relayed here as ever.
 */
import type { EndReason } from '../engine/reason.ts';
import type { DataplaneContext } from './context.ts';
import type { Link } from './link.ts';
import { Relay, type RelayOptions, type RunningRelay, type StartRelay } from './relay.ts';
import { TcpLink } from './tcp-link.ts';

/** What the addon exports (native/addon/addon.cc). Each has one thread. */
export interface NativeRelayThread {
  /**
   * Takes two connected sockets over. `unwritten` goes to `far` ahead of everything else and is not
   * counted. Returns a number for it; 0: it is full, or no descriptors are to be had.
   */
  begin(near: number, far: number, unwritten: Uint8Array, halfCloseIdleMs: number): number;
  /** RST both ways. That one is reported, like every end. */
  abort(id: number): void;
  /**
   * Four numbers for each relay that has ended since, and with `runningToo` for those that run: its
   * id, how it ended, bytes in, bytes out. `wake` is called when there are some of the former.
   */
  reports(runningToo: boolean): Float64Array;
  /** Whether the process lives on for what runs. */
  keepAlive(on: boolean): void;
  /** Ends the thread, and what it still runs. */
  close(): void;
}

/** The addon as a module. */
export interface AddonBinding {
  version(): string;
  /** Why it cannot work here; null when it can. */
  probe(): string | null;
  /** @throws Error where the system refuses a thread or its descriptors. */
  RelayThread: new (
    wake: () => void,
  ) => NativeRelayThread;
}

/** `Ending` of native/addon/relay.h, by number. */
const RUNNING = 0;
const NOTHING: readonly Uint8Array[] = [];

/** Those with relays. One without any that is forgotten goes, with its thread, though nobody closed it. */
const busy = new Set<RelayThread>();

export class RelayThread {
  readonly #context: DataplaneContext;
  readonly #native: NativeRelayThread;
  readonly #relays = new Map<number, ThreadRelay>();
  #whenEmpty: (() => void) | undefined;

  constructor(binding: AddonBinding, context: DataplaneContext) {
    this.#context = context;
    // The addon holds the function for as long as its thread runs.
    const self = new WeakRef(this);
    this.#native = new binding.RelayThread(() => {
      const thread = self.deref();
      if (thread !== undefined) thread.#read(false);
    });
  }

  readonly start: StartRelay = (near, far, options) =>
    this.#takeOver(near, far, options) ?? new Relay(near, far, options);

  /** Brings the counters of services up to date. */
  settle(): void {
    if (this.#relays.size > 0) this.#read(true);
  }

  /** Aborts what still runs, tells of its end, then ends the thread. */
  async close(): Promise<void> {
    for (const relay of this.#relays.values()) relay.destroy('destroyed');
    if (this.#relays.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
    }
    this.#native.close();
  }

  #takeOver(near: Link, far: Link, options: RelayOptions): RunningRelay | undefined {
    if (!(near instanceof TcpLink && far instanceof TcpLink)) return undefined;
    const from = near.transferable;
    const to = far.transferable;
    if (from === undefined || to === undefined) return undefined;
    const unwritten = Buffer.concat(options.unwritten);
    const id = this.#native.begin(from, to, unwritten, options.limits.halfCloseIdleMs);
    if (id === 0) return undefined;
    near.release();
    far.release();
    if (this.#relays.size === 0) this.#setBusy(true);
    const relay = new ThreadRelay(options, () => this.#native.abort(id));
    this.#relays.set(id, relay);
    return relay;
  }

  #read(runningToo: boolean): void {
    const reports = this.#native.reports(runningToo);
    const numberAt = (index: number): number => reports[index] ?? 0;
    for (let at = 0; at < reports.length; at += 4) {
      const id = numberAt(at);
      const ending = numberAt(at + 1);
      const relay = this.#relays.get(id);
      relay?.count(numberAt(at + 2), numberAt(at + 3));
      if (relay === undefined || ending === RUNNING) continue;
      this.#relays.delete(id);
      if (this.#relays.size === 0) this.#setBusy(false);
      // Never inside of the call that asked.
      queueMicrotask(() => this.#ended(relay, ending));
    }
  }

  #setBusy(on: boolean): void {
    this.#native.keepAlive(on);
    if (on) busy.add(this);
    else busy.delete(this);
  }

  #ended(relay: ThreadRelay, ending: number): void {
    try {
      relay.ended(ending);
    } catch (error) {
      this.#context.fault('relay thread', error);
    }
    if (this.#relays.size === 0) this.#whenEmpty?.();
  }
}

/** A relay that the thread runs. */
class ThreadRelay implements RunningRelay {
  readonly #options: RelayOptions;
  readonly #abort: () => void;
  #bytesIn: number;
  #bytesOut = 0;
  #reason: EndReason | undefined;

  constructor(options: RelayOptions, abort: () => void) {
    // For as long as it runs, so without what the thread has by now.
    this.#options = { ...options, unwritten: NOTHING };
    this.#abort = abort;
    this.#bytesIn = options.alreadyIn;
    options.counters.bytesIn += options.alreadyIn;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  get reason(): EndReason {
    return this.#reason ?? 'internal_error';
  }

  destroy(reason: EndReason): void {
    this.#reason ??= reason;
    this.#abort();
  }

  /** As the thread has counted: without what was read before it began. */
  count(bytesIn: number, bytesOut: number): void {
    const { counters, alreadyIn } = this.#options;
    counters.bytesIn += bytesIn + alreadyIn - this.#bytesIn;
    counters.bytesOut += bytesOut - this.#bytesOut;
    this.#bytesIn = bytesIn + alreadyIn;
    this.#bytesOut = bytesOut;
  }

  ended(ending: number): void {
    const { nearBroken, farBroken, done } = this.#options;
    // By number; of an abort the reason is known already.
    const reasons: readonly EndReason[] = [
      'internal_error',
      'visitor_fin',
      'local_fin',
      nearBroken,
      farBroken,
      'half_close_timeout',
      'destroyed',
      'internal_error',
    ];
    this.#reason ??= reasons[ending] ?? 'internal_error';
    done(this);
  }
}
