/**
 * The source line under a message, with a caret, and with nothing in it that may be a secret.
 *
 * Only values of keys that the schema knows and that hold no secret are shown. The value of a
 * misspelled `tokn` is masked as well, and comments are cut: an old token is often kept in one.
 */
import { isSecretPath } from './key-path.ts';
import { type Locations, positionIn } from './locate.ts';
import { leafPaths, nodeAt } from './schema-walk.ts';
import { SECRET_MASK } from './secret.ts';
import type { Span } from './toml-scan.ts';

const MAX_COLUMNS = 120;

/** Gives the lines of a valid TOML text by an offset in them. */
export function excerptsOf(text: string, locations: Locations): (offset: number) => string {
  const cuts = hiddenSpans(locations);
  return (offset) => excerptAt(text, locations, cuts, offset);
}

function excerptAt(
  text: string,
  locations: Locations,
  cuts: readonly Cut[],
  offset: number,
): string {
  const span = lineAt(text, offset);
  let shown = '';
  let caret: number | undefined;
  let at = span.start;
  for (const cut of cuts) {
    if (cut.end <= span.start || cut.start >= span.end) continue;
    if (offset <= cut.start) caret ??= shown.length + Math.max(0, offset - at);
    shown += text.slice(at, Math.max(at, cut.start)) + cut.mask;
    at = Math.max(at, cut.end);
  }
  caret ??= shown.length + Math.max(0, offset - at);
  shown += text.slice(at, Math.max(at, span.end));
  return frame(locations.position(offset).line, shown, caret);
}

interface Cut extends Span {
  readonly mask: string;
}

/** In the order of the text. */
function hiddenSpans(locations: Locations): Cut[] {
  const hidden = locations.leaves.filter(
    ({ path }) => isSecretPath(path) || nodeAt(path)?.kind !== 'leaf',
  );
  const cuts = [
    ...hidden.map(({ start, end }) => ({ start, end, mask: SECRET_MASK })),
    ...locations.comments.map(({ start, end }) => ({ start, end, mask: '' })),
  ];
  return cuts.toSorted((a, b) => a.start - b.start);
}

/**
 * The line of a syntax error. The text could not be parsed, so nothing is known of what is a value:
 * shown are headers and `key =` of plain keys; of all other lines, only what stands before the
 * value.
 */
export function brokenExcerptOf(text: string, offset: number): string {
  const span = lineAt(text, offset);
  const line = text.slice(span.start, span.end);
  const column = offset - span.start;
  const shown = maskBrokenLine(line, isInsideLongString(text, span));
  return frame(positionIn(text)(offset).line, shown, Math.min(column, shown.length));
}

/** A line that may be the inside of a multi-line string says nothing about itself. */
function isInsideLongString(text: string, span: Span): boolean {
  return /"""|'''/.test(text.slice(0, span.end));
}

const PLAIN_KEYS: ReadonlySet<string> = new Set(
  leafPaths()
    .map((path) => path.split('.'))
    .filter((path) => !isSecretPath(path))
    .map((path) => path.at(-1) ?? ''),
);
// One value and nothing after it: `nodelay = true hunter2` may be two lines that were joined.
const PAIR_LINE = /^\s*([\w.-]{1,128})\s*=\s*(?:"[^"=]*"?|'[^'=]*'?|[^\s"'#=]*)\s*$/;
const HEADER_LINE = /^\s*\[[^="'#]*$/;
// `key` alone would hide nothing but `pkcs12 = "key.p12"`.
const SECRET_WORD = /tok|pass|secret|private|proxy|:\/\//i;

function maskBrokenLine(line: string, mayBeString: boolean): string {
  if (mayBeString) return SECRET_MASK;
  if (HEADER_LINE.test(line)) return line;
  const key = PAIR_LINE.exec(line)?.[1]?.split('.').at(-1) ?? '';
  if (PLAIN_KEYS.has(key) && !SECRET_WORD.test(line)) return line;
  return (/^\s*[\w.-]{1,64}\s*=\s*/.exec(line)?.[0] ?? '') + SECRET_MASK;
}

function lineAt(text: string, offset: number): Span {
  const before = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
  const start = before === 0 && text.startsWith('\uFEFF') ? 1 : before;
  const newline = text.indexOf('\n', Math.max(offset, start));
  let end = newline < 0 ? text.length : newline;
  if (text[end - 1] === '\r') end -= 1;
  return { start, end: Math.max(start, end) };
}

function frame(lineNumber: number, line: string, caret: number): string {
  // A very long line is shown around the caret.
  const from = Math.max(0, caret - MAX_COLUMNS / 2);
  // A broken text may hold terminal escapes; each control character becomes one visible one.
  const shown = line
    .slice(from, from + MAX_COLUMNS)
    .replaceAll(/[^\P{C}\t]/gu, '·')
    .trimEnd();
  // Tabs stay tabs so that the caret stands where the terminal puts the character.
  const pad = line.slice(from, caret).replaceAll(/[^\t]/g, ' ');
  const gutter = String(lineNumber);
  return `  ${gutter} | ${shown}\n  ${' '.repeat(gutter.length)} | ${pad}^`;
}
