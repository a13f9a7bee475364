/**
 * What every part of one Rust engine shares: the native engine, who its upcalls are for, and whether
 * the process must go on for it.
 */
import type { BindingEngine } from './binding.d.ts';
import type { RustControlStream } from './rust-control-stream.ts';
import type { RustDial } from './rust-dial.ts';
import type { RustEvents } from './rust-events.ts';
import type { RustService } from './rust-service.ts';
import type { RustSession } from './rust-session.ts';
import type { RustTunnelListener } from './rust-tunnel-listener.ts';

/** Between two looks at visitors that nothing else tells of. */
const LOOK_MS = 1_000;

/** Engines with something open: they live although nobody else may know of them any more. */
const LIVE = new Set<RustContext>();

export class RustContext {
  readonly native: BindingEngine;
  readonly events: RustEvents;
  readonly listeners: Map<number, RustTunnelListener> = new Map();
  readonly dials: Map<number, RustDial> = new Map();
  readonly streams: Map<number, RustControlStream> = new Map();
  readonly services: Map<number, RustService> = new Map();
  readonly sessions: Map<number, RustSession> = new Map();
  #lastId = 0;
  #open = 0;
  #look: NodeJS.Timeout | undefined;

  constructor(native: BindingEngine, events: RustEvents) {
    this.native = native;
    this.events = events;
  }

  /** A name for something that native code is told of. */
  newId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Something has been opened: the process goes on. Each ends with one `release`. */
  hold(): void {
    this.#open += 1;
    if (this.#open > 1) return;
    LIVE.add(this);
    this.native.keepAlive(true);
  }

  release(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#rest();
  }

  /** Visitors outlive their session, and nothing tells of their ends: they are looked for. */
  #rest(): void {
    clearTimeout(this.#look);
    this.#look = undefined;
    if (this.#open > 0) return;
    if (this.native.stats().services.some(({ visitorsOpen }) => visitorsOpen > 0)) {
      this.#look = setTimeout(() => this.#rest(), LOOK_MS);
      return;
    }
    LIVE.delete(this);
    this.native.keepAlive(false);
  }
}
