/** Drives a handshake on a link until a codec comes of it. */
import { CodedLink } from '../coded-link.ts';
import type { Link } from '../link.ts';
import type { OpenLinks } from '../open-links.ts';
import { type Codec, type Handshake, RefusedError } from './codec.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Resolves with the link to use from then on, paused: a `CodedLink`, or `link` itself after a
 * handshake that leaves plain bytes. There is no deadline here: destroying `link` ends it, and so
 * does `signal`.
 * @throws RefusedError (also `handshake_eof`), or the reason of `signal`; the link is gone then.
 */
export function shake(
  links: OpenLinks,
  link: Link,
  handshake: Handshake,
  signal?: AbortSignal,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    let came = NOTHING;
    let settled = false;

    const settle = (): void => {
      settled = true;
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      if (settled) return;
      settle();
      link.setSink({ data: () => false, end() {}, closed() {} });
      reject(error);
    };
    const onAbort = (): void => {
      link.destroy();
      fail(signal?.reason);
    };
    const onEof = (): void => {
      link.destroy();
      fail(
        new RefusedError('handshake_eof', `the peer closed during the ${handshake.name} handshake`),
      );
    };
    const done = (codec: Codec | undefined): void => {
      settle();
      resolve(codec === undefined ? link : new CodedLink(links, link, codec, came));
    };
    /** Whether to go on reading. */
    const advance = (): boolean => {
      const step = handshake.advance(came);
      link.cork();
      for (const bytes of step.out) link.write(bytes);
      link.uncork();
      if (step.state === 'refused') {
        link.endSoon();
        fail(step.error);
        return false;
      }
      came = came.subarray(step.used);
      if (step.state === 'wait') return true;
      done(step.codec);
      return false;
    };

    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort);
    link.setSink({
      data: (chunk) => {
        if (settled) return false;
        came = Buffer.concat([came, chunk]);
        return advance();
      },
      end: onEof,
      closed: onEof,
    });
    if (advance()) link.resume();
  });
}
