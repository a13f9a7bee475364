/** Makes a handshake on a link: beside everything else, a little in each turn of the event loop. */
import { CodedLink } from '../coded-link.ts';
import type { Link } from '../link.ts';
import { LinkFault, type OpenLinks } from '../open-links.ts';
import { type Handshake, RefusedError } from './codec.ts';
import { enterGate } from './gate.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Resolves with the link to use from then on, paused: a `CodedLink`, or `link` itself after a
 * handshake that leaves plain bytes. There is no deadline here: destroying `link` ends it, and so
 * does `signal`.
 * @throws RefusedError (also `handshake_eof`), or the reason of `signal`. The link is gone then, the
 * handshake's last words on their way.
 */
export function shake(
  links: OpenLinks,
  link: Link,
  handshake: Handshake,
  signal?: AbortSignal,
): Promise<Link> {
  return new Shake(links, link, handshake, signal).result;
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
  readonly #signal: AbortSignal | undefined;
  #came: Buffer = NOTHING;
  #settle: Settle | undefined;

  constructor(links: OpenLinks, link: Link, handshake: Handshake, signal: AbortSignal | undefined) {
    this.#links = links;
    this.#link = link;
    this.#handshake = handshake;
    this.#signal = signal;
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
      closed: this.#onEof,
    });
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted) this.#onAbort();
    else enterGate(this.#step);
  }

  readonly #onAbort = (): void => {
    this.#link.destroy();
    this.#fail(this.#signal?.reason);
  };

  readonly #onEof = (): void => {
    this.#link.destroy();
    const text = `the peer closed during the ${this.#handshake.name} handshake`;
    const why = 'does it use the same transport, keys and pattern?';
    this.#fail(new RefusedError('handshake_eof', `${text}: ${why}`));
  };

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
      link.endSoon();
      this.#fail(step.error);
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

  #fail(error: unknown): void {
    this.#link.setSink({ data: () => false, end() {}, closed() {} });
    this.#end()?.reject(error);
  }

  /** Once: how to settle. */
  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    return settle;
  }
}
