/**
 * The polite end of a connection: FIN behind everything written, and what still arrives is dropped
 * until the peer's FIN, so that our last bytes are not lost to a RST (wire-v1 W38).
 */
import type { Link } from '../link.ts';

/** `gone`: once, behind everything. */
export function linger(link: Link, lingerMs: number, gone: () => void): void {
  if (link.closed) {
    gone();
    return;
  }
  const timer = setTimeout(() => link.destroy(), lingerMs);
  link.setSink({
    data: () => true,
    end: () => link.endSoon(),
    closed: () => {
      clearTimeout(timer);
      gone();
    },
  });
  link.resume();
  link.end();
  if (link.ended) link.endSoon();
}
