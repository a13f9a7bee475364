/**
 * A tunnel connection from accept until it is known to be ours: the transport's handshakes, the
 * hello, and, of a control channel, the proof of the token. All of it has one deadline.
 */
import type { EndReason } from '../engine/reason.ts';
import type { HelloRule, TransportSpec } from '../engine/spec.ts';
import type { DataplaneContext } from './context.ts';
import { type Link, NO_SINK } from './link.ts';
import { channelReason } from './link-end.ts';
import { LinkFault } from './open-links.ts';
import { RefusedError } from './transport/codec.ts';
import { acceptTransport } from './transport.ts';

/** A hello that came; `rest` is what came in the same read behind it. */
export interface Greeting {
  readonly kind: 'control' | 'data';
  readonly digest: Uint8Array;
  readonly rest: Uint8Array;
}

export interface ArrivalOwner {
  readonly hello: HelloRule;
  greeted(arrival: Arrival, greeting: Greeting): void;
  /** Once: it is known to be ours, or has ended. */
  settled(arrival: Arrival): void;
}

export class Arrival {
  readonly #context: DataplaneContext;
  readonly #owner: ArrivalOwner;
  readonly #timer: NodeJS.Timeout;
  #link: Link;
  #state: 'shaking' | 'refused' | 'open' | 'settled' = 'shaking';
  #ownEnd: ((reason: EndReason) => void) | undefined;

  constructor(context: DataplaneContext, link: Link, owner: ArrivalOwner) {
    this.#context = context;
    this.#link = link;
    this.#owner = owner;
    const { handshakeTimeoutMs } = context.limits;
    this.#timer = setTimeout(() => this.end('handshake_timeout'), handshakeTimeoutMs);
  }

  /** What carries it, all handshakes behind it. */
  get link(): Link {
    return this.#link;
  }

  start(transport: TransportSpec): void {
    if (transport.type === 'tcp') {
      this.#readHello();
      return;
    }
    const refusing = {
      lingerMs: this.#context.limits.lingerMs,
      refused: (error: RefusedError) => this.#refused(error),
    };
    acceptTransport(this.#context.links, this.#link, transport, refusing)
      .then((link) => this.#carried(link))
      .catch((error: unknown) => this.#failed(error));
  }

  /** From now on its end is the owner's affair, the deadline still ours. */
  ownEnd(end: (reason: EndReason) => void): void {
    this.#ownEnd = end;
  }

  settle(): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    clearTimeout(this.#timer);
    this.#owner.settled(this);
  }

  end(reason: EndReason): void {
    const state = this.#state;
    if (state === 'settled') return;
    if (state === 'refused') {
      // It has been told; the handshake sees the end.
      this.#link.destroy();
      return;
    }
    if (this.#ownEnd !== undefined) {
      this.#ownEnd(reason);
      return;
    }
    this.settle();
    // A handshake under way has to see the end.
    if (state === 'open') this.#link.setSink(NO_SINK);
    this.#context.rejectTunnel(reason, this.#link.peer);
    this.#link.destroy();
  }

  #carried(link: Link): void {
    this.#link = link;
    // It may have been ended in the meantime.
    if (this.#state === 'settled') link.destroy();
    else this.#readHello();
  }

  /** Its last words are on their way. */
  #refused({ reason, message }: RefusedError): void {
    if (this.#state !== 'shaking') return;
    this.#state = 'refused';
    this.#context.rejectTunnel(reason, this.#link.peer, message);
  }

  #failed(error: unknown): void {
    if (this.#state === 'settled') return;
    if (error instanceof RefusedError) {
      this.#refused(error);
      this.settle();
      return;
    }
    if (!(error instanceof LinkFault)) this.#context.fault('transport handshake', error);
    this.end('internal_error');
  }

  #readHello(): void {
    this.#state = 'open';
    const { hello } = this.#owner;
    const link = this.#link;
    let got = Buffer.alloc(0);
    link.setSink({
      data: (chunk) => {
        got = Buffer.concat([got, chunk]);
        if (got.length < hello.length) return true;
        const kind = kindOf(got, hello);
        if (kind === undefined) {
          this.end('bad_hello');
          return false;
        }
        const digest = Uint8Array.from(got.subarray(hello[kind].length, hello.length));
        this.#owner.greeted(this, { kind, digest, rest: got.subarray(hello.length) });
        return !link.closed;
      },
      end: () => this.end('handshake_eof'),
      closed: (error) => this.end(channelReason(error, 'handshake_eof', 'handshake_eof')),
    });
    link.resume();
  }
}

function kindOf(bytes: Uint8Array, hello: HelloRule): Greeting['kind'] | undefined {
  if (startsWith(bytes, hello.control)) return 'control';
  return startsWith(bytes, hello.data) ? 'data' : undefined;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
