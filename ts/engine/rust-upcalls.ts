/**
 * What native code tells, given to whom it is of interest. One wake-up brings all that has come since
 * the one before.
 */
import type { BindingUpcall } from './binding.d.ts';
import type { RustContext } from './rust-context.ts';

/** What native code calls when there is something to be told. */
export class RustWaker {
  /** Weak: an engine that nobody knows any more can be collected, and is stopped by that. */
  #context: WeakRef<RustContext> | undefined;

  readonly wake = (): void => {
    const context = this.#context?.deref();
    if (context !== undefined) takeUpcalls(context);
  };

  /** The first wake-up comes after the turn in which this is called. */
  wakes(context: RustContext): void {
    this.#context = new WeakRef(context);
  }
}

export function takeUpcalls(context: RustContext): void {
  for (const upcall of context.native.takeUpcalls()) {
    try {
      give(context, upcall);
    } catch (error) {
      context.events.fault(`upcall ${upcall.type}`, error);
    }
  }
}

/** Whom it is for may have gone meanwhile. As long as there are upcalls. */
function give(context: RustContext, upcall: BindingUpcall): void {
  const { listeners, dials, streams, services, sessions } = context;
  switch (upcall.type) {
    case 'listening':
      listeners.get(upcall.listener)?.onListening(upcall.address);
      break;
    case 'listen_failed':
      listeners.get(upcall.listener)?.onFailed(upcall.error);
      break;
    case 'listener_closed':
      listeners.get(upcall.listener)?.onClosed();
      break;
    case 'control':
      listeners.get(upcall.listener)?.onControl(upcall.digest, upcall.stream, upcall.peer);
      break;
    case 'dialed':
      if (!dials.has(upcall.stream)) context.native.streamDestroy(upcall.stream, 'destroyed');
      dials.get(upcall.stream)?.onDialed(upcall.peer);
      break;
    case 'dial_failed':
      dials.get(upcall.stream)?.onFailed(upcall);
      break;
    case 'stream_read':
      streams.get(upcall.stream)?.onRead(upcall.bytes);
      break;
    case 'stream_flushed':
      streams.get(upcall.stream)?.onFlushed();
      break;
    case 'stream_ended':
      streams.get(upcall.stream)?.onEnded(upcall.reason, upcall.unread, upcall.error);
      break;
    case 'address':
      services.get(upcall.service)?.onAddress(upcall.address);
      break;
    case 'surplus':
      sessions.get(upcall.session)?.onSurplus();
      break;
    case 'session_ended':
      sessions.get(upcall.session)?.onEnded(upcall.reason);
      break;
    case 'service_closed':
      services.get(upcall.service)?.onClosed();
      break;
    case 'events':
      context.events.give(upcall.events);
      break;
  }
}
