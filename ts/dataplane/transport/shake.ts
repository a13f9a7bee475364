/** Makes a handshake on a link: beside everything else, a little in each turn of the event loop. */
import { CodedLink } from '../coded-link.ts';
import { type Link, NO_SINK } from '../link.ts';
import { LinkFault, type OpenLinks } from '../open-links.ts';
import { type Handshake, RefusedError, TransportFault } from './codec.ts';
import { enterGate } from './gate.ts';
import { linger } from './linger.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Resolves with the link to use from then on, paused: a `CodedLink`, or `link` itself after a
 * handshake that leaves plain bytes. There is no deadline here: destroying `link` ends it, and so
 * does `signal`. @throws RefusedError (also `handshake_eof`), or the reason of `signal`. The link
 * is gone then, or, without `refusing`, the handshake's last words are on their way.
 */
export function shake(
  links: OpenLinks,
  link: Link,
  handshake: Handshake,
  options: ShakeOptions = {},
): Promise<Link> {
  return new Shake(links, link, handshake, options).result;
}

export interface ShakeOptions {
  readonly signal?: AbortSignal;
  readonly refusing?: Refusing;
}

/** How a server refuses. */
export interface Refusing {
  /** So long the peer may take to hear of it and to end. */
  readonly lingerMs: number;
  /** At once; the result comes when the connection is gone. */
  refused(error: RefusedError): void;
}

interface Settle {
  resolve(link: Link): void;
  reject(error: unknown): void;
}

class Shake {
  readonly result: Promise<Link>;
  readonly #links: OpenLinks;
  readonly #link: Link;
  readonly #handshake: Handshake;
  readonly #options: ShakeOptions;
  #came: Buffer = NOTHING;
  #settle: Settle | undefined;

  constructor(links: OpenLinks, link: Link, handshake: Handshake, options: ShakeOptions) {
    this.#links = links;
    this.#link = link;
    this.#handshake = handshake;
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    link.setSink({
      data: (chunk) => {
        this.#came = Buffer.concat([this.#came, chunk]);
        enterGate(this.#step);
        return false;
      },
      end: this.#onEof,
      closed: (error) => this.#onClosed(error),
    });
    const { signal } = options;
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted) this.#onAbort();
    else enterGate(this.#step);
  }

  readonly #onAbort = (): void => {
    this.#link.destroy();
    this.#fail(this.#options.signal?.reason);
  };

  readonly #onEof = (): void => {
    this.#link.destroy();
    const { name, whenClosed = '' } = this.#handshake;
    const text = `the other end closed the connection during the ${name} handshake${whenClosed}`;
    this.#fail(new RefusedError('handshake_eof', text));
  };

  /** What was wrong below is told as such: a refusal may come behind the handshake there. */
  #onClosed(error: Error | undefined): void {
    if (error instanceof RefusedError) this.#fail(error);
    else if (error instanceof TransportFault && error.reason === 'bad_record') {
      this.#fail(new RefusedError(error.reason, error.message));
    } else this.#onEof();
  }

  readonly #step = (): void => {
    if (this.#settle === undefined) return;
    try {
      this.#advance();
    } catch (error) {
      this.#links.fault(error);
      this.#link.abort();
      this.#fail(new LinkFault('a handshake failed', { cause: error }));
    }
  };

  #advance(): void {
    const link = this.#link;
    const step = this.#handshake.advance(this.#came);
    link.cork();
    for (const bytes of step.out) link.write(bytes);
    link.uncork();
    if (step.state === 'refused') {
      this.#refuse(step.error);
      return;
    }
    this.#came = this.#came.subarray(step.used);
    if (step.state === 'wait') {
      link.resume();
      return;
    }
    const { codec } = step;
    this.#end()?.resolve(
      codec === undefined ? link : new CodedLink(this.#links, link, codec, this.#came),
    );
  }

  #refuse(error: RefusedError): void {
    const { refusing } = this.#options;
    if (refusing === undefined) {
      this.#link.endSoon();
      this.#fail(error);
      return;
    }
    refusing.refused(error);
    linger(this.#link, refusing.lingerMs, () => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#link.setSink(NO_SINK);
    this.#end()?.reject(error);
  }

  /** Once: how to settle. */
  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    return settle;
  }
}
