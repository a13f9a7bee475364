/**
 * The heads of HTTP/1.1 messages as they come, and what both WebSocket and an HTTP proxy read in
 * them.
 */

/** Headers that a head may have. */
export const HEADERS_MAX = 64;
/** What no header has (RFC 9110 5.5). */
const CONTROL = /[^\t\x20-\x7e\x80-\xff]/;
/** Of what a peer wrote, in our texts. */
const SHOWN_MAX = 80;

export interface HttpHead {
  /** The request line or the status line. */
  readonly start: string;
  /** Names in lower case, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Finds the blank line, looking at every byte once however few come at a time. */
export class HeadEnd {
  readonly #limit: number;
  #seen = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The length of the head at the front of what came, once it is there. */
  find(came: Buffer): number | 'wait' | 'too long' {
    const head = came.subarray(0, this.#limit);
    for (;;) {
      const at = head.indexOf(0x0a, this.#seen);
      if (at < 0) break;
      this.#seen = at + 1;
      const before = head[at - 1] === 0x0d ? at - 2 : at - 1;
      if (head[before] === 0x0a) return this.#seen;
    }
    this.#seen = head.length;
    return head.length === this.#limit ? 'too long' : 'wait';
  }
}

/** Undefined where a line is not one of HTTP/1.1. */
export function parseHead(head: Buffer): HttpHead | undefined {
  const [start = '', ...lines] = head.toString('latin1').trim().split(/\r?\n/);
  const headers: [string, string][] = [];
  for (const line of lines) {
    // Nothing before the colon but the name; no line that continues the one before.
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$/.exec(line);
    // Readers differ over what a NUL, or CR alone, ends.
    if (match === null || CONTROL.test(line)) return undefined;
    headers.push([(match[1] ?? '').toLowerCase(), (match[2] ?? '').trim()]);
  }
  return { start, headers };
}

/**
 * The head of a request of ours. Undefined where a line has what could end it or be read in more
 * than one way; configuration has been checked for that before.
 */
export function writeHead(lines: readonly string[]): Buffer | undefined {
  if (lines.some((line) => /[^\t\x20-\x7e]/.test(line))) return undefined;
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** The values of a header, as often as it is there; `name` in lower case. */
export function headerValues({ headers }: HttpHead, name: string): string[] {
  return headers.filter(([found]) => found === name).map(([, value]) => value);
}

/** Whether a header that is a list has that token; both in lower case. */
export function hasToken(head: HttpHead, name: string, token: string): boolean {
  return headerValues(head, name)
    .flatMap((value) => value.split(','))
    .some((item) => item.trim().toLowerCase() === token);
}

/** Of a status line: its code, and how people write it: `502 Bad Gateway`. */
export function readStatus({ start }: HttpHead): { code: number; text: string } | undefined {
  const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(start);
  if (match === null) return undefined;
  const text = `${match[1]} ${shown(match[2] ?? '')}`.trimEnd();
  return { code: Number(match[1]), text };
}

/** What a peer wrote, fit for a text of ours. */
export function shown(text: string, max: number = SHOWN_MAX): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, max);
}
