/**
 * Reads the shape of a TOML text without its meaning: where keys, values and comments start and
 * end.
 *
 * smol-toml judges and decodes; this only finds places, so it takes whatever it is given and never
 * throws. On a text that is no TOML its answers are merely useless. It knows nothing of
 * configuration.
 */

/** Where something stands: offsets into the text, the end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One part of a dotted key, decoded. */
export interface KeyPart extends Span {
  readonly name: string;
}

/** A place in a text that moves forward. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** Comments met on the way. */
  readonly comments: Span[];
}

/** A cursor at the first character after a byte order mark. */
export function startCursor(text: string): Cursor {
  return { text, at: text.startsWith('\uFEFF') ? 1 : 0, comments: [] };
}

/** Moves past blanks, line ends and comments. */
export function skipVoid(cursor: Cursor): void {
  for (;;) {
    const char = cursor.text[cursor.at];
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') cursor.at += 1;
    else if (char === '#') skipComment(cursor);
    else return;
  }
}

/** Moves past blanks on this line. */
export function skipBlanks(cursor: Cursor): void {
  while (cursor.text[cursor.at] === ' ' || cursor.text[cursor.at] === '\t') cursor.at += 1;
}

function skipComment(cursor: Cursor): void {
  const newline = cursor.text.indexOf('\n', cursor.at);
  const end = newline < 0 ? cursor.text.length : newline;
  cursor.comments.push({ start: cursor.at, end });
  cursor.at = end;
}

/** Reads a dotted key up to what ends it (`=` or `]`), which is left unread. */
export function readKey(cursor: Cursor): KeyPart[] {
  const parts: KeyPart[] = [];
  for (;;) {
    skipBlanks(cursor);
    const part = readKeyPart(cursor);
    if (part === undefined) return parts;
    parts.push(part);
    skipBlanks(cursor);
    if (cursor.text[cursor.at] !== '.') return parts;
    cursor.at += 1;
  }
}

function readKeyPart(cursor: Cursor): KeyPart | undefined {
  const start = cursor.at;
  const char = cursor.text[start];
  if (char === '"' || char === "'") {
    const end = skipString(cursor);
    const inner = cursor.text.slice(start + 1, end - 1);
    return { start, end, name: char === '"' ? decodeEscapes(inner) : inner };
  }
  const bare = /[A-Za-z0-9_-]+/y;
  bare.lastIndex = start;
  const name = bare.exec(cursor.text)?.[0];
  if (name === undefined) return undefined;
  cursor.at += name.length;
  return { start, end: cursor.at, name };
}

/** Moves past a string of any of the four kinds; gives its end. */
export function skipString(cursor: Cursor): number {
  const { text } = cursor;
  const quote = text[cursor.at] ?? '';
  const isLong = text.startsWith(quote.repeat(3), cursor.at);
  cursor.at += isLong ? 3 : 1;
  const close = isLong ? quote.repeat(3) : quote;
  while (cursor.at < text.length) {
    if (quote === '"' && text[cursor.at] === '\\') cursor.at += 2;
    else if (!isLong && text[cursor.at] === '\n') break;
    else if (text.startsWith(close, cursor.at)) {
      cursor.at += close.length;
      // Up to two quotes may stand right before the closing three.
      if (isLong && text[cursor.at] === quote) cursor.at += 1;
      if (isLong && text[cursor.at] === quote) cursor.at += 1;
      break;
    } else cursor.at += 1;
  }
  cursor.at = Math.min(cursor.at, text.length);
  return cursor.at;
}

/** Moves past a number, boolean or date; always forward unless at a delimiter. */
export function skipBareValue(cursor: Cursor): void {
  // A date may have a blank before its time.
  const value = /\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]*/y;
  value.lastIndex = cursor.at;
  cursor.at += value.exec(cursor.text)?.[0].length ?? 0;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
  e: '\u001b',
};

/** Decodes a basic string's escapes. */
function decodeEscapes(inner: string): string {
  return inner.replaceAll(/\\(?:x(..)|u(.{4})|U(.{8})|(.))/gs, (whole, x, u, long, short) => {
    const digits: string | undefined = x ?? u ?? long;
    if (digits === undefined) return SHORT_ESCAPES[short] ?? short;
    const point = Number.parseInt(digits, 16);
    return point >= 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
