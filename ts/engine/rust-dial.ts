/** A control channel that is being dialled, until it is one or none. */
import { formatAddress } from '../config/address.ts';
import { WarrenError } from '../errors.ts';
import type { BindingUpcall } from './binding.d.ts';
import type { RustContext } from './rust-context.ts';
import { RustControlStream } from './rust-control-stream.ts';
import { Deferred } from './rust-deferred.ts';
import { systemError } from './rust-error.ts';
import type { DialSpec, SocketAddress } from './spec.ts';

type DialFailed = Extract<BindingUpcall, { type: 'dial_failed' }>;

export class RustDial {
  readonly #context: RustContext;
  readonly #id: number;
  readonly #spec: DialSpec;
  readonly #signal: AbortSignal;
  readonly #done = new Deferred<RustControlStream>();

  constructor(context: RustContext, spec: DialSpec, signal: AbortSignal) {
    this.#context = context;
    this.#id = context.newId();
    this.#spec = spec;
    this.#signal = signal;
    if (signal.aborted) {
      this.#done.reject(abortedError());
      return;
    }
    context.native.dial(this.#id, spec);
    context.dials.set(this.#id, this);
    context.hold();
    signal.addEventListener('abort', this.abort);
  }

  /** @throws WARREN_E_CONNECT, WARREN_E_TRANSPORT, WARREN_E_ABORTED. */
  get stream(): Promise<RustControlStream> {
    return this.#done.promise;
  }

  /** At once for the caller; what comes of it all the same is ended when it comes. */
  readonly abort = (): void => {
    if (!this.#over()) return;
    this.#context.native.abortDial(this.#id);
    this.#done.reject(abortedError());
  };

  /** Upcall. */
  onDialed(peer: SocketAddress): void {
    if (this.#over()) this.#done.resolve(new RustControlStream(this.#context, this.#id, peer));
  }

  /** Upcall. */
  onFailed({ tried, refusal, error, aborted }: DialFailed): void {
    if (!this.#over()) return;
    const server = formatAddress(this.#spec.remote);
    if (aborted) {
      this.#done.reject(abortedError());
    } else if (refusal !== undefined) {
      const message = `no tunnel to ${server}: ${tried}`;
      this.#done.reject(new WarrenError('WARREN_E_TRANSPORT', message, { reason: refusal }));
    } else {
      const cause = error === undefined ? undefined : systemError(error);
      const message = `cannot connect to ${server}: ${tried}`;
      this.#done.reject(new WarrenError('WARREN_E_CONNECT', message, { cause }));
    }
  }

  /** False when it has been settled already. */
  #over(): boolean {
    if (!this.#context.dials.delete(this.#id)) return false;
    this.#signal.removeEventListener('abort', this.abort);
    // Not yet: what comes of it takes over without a gap.
    queueMicrotask(() => this.#context.release());
    return true;
  }
}

function abortedError(): WarrenError {
  return new WarrenError('WARREN_E_ABORTED', 'dialling was cancelled');
}
