/**
 * Log lines for people: one line per record, `time LEVEL message key=value …`.
 *
 * Names and error texts come from peers. Everything that could end a line, move the cursor, change
 * the colour or reverse the reading direction is shown as an escape, so that nobody can forge a
 * line or hide one. The same holds for JSON lines, which people read with `cat` as well.
 */

// Control, format (bidirectional marks among them), line and paragraph separators, lone surrogates.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const UNSAFE_ONCE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const BARE = /^[\w.:/@+*%,[\]#~-]+$/;

const COLOURS: Readonly<Record<string, string>> = {
  trace: '\u001b[90m',
  debug: '\u001b[36m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
  fatal: '\u001b[31m',
};
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

/** Each UTF-16 unit of `text` as `\uXXXX`, which is valid inside a JSON string too. */
function escapeUnits(text: string): string {
  let escaped = '';
  for (let i = 0; i < text.length; i += 1) {
    escaped += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}

/** Text that cannot leave its place on the terminal. */
export function safeText(text: string): string {
  if (!UNSAFE_ONCE.test(text)) return text;
  return text.replace(UNSAFE, (char) => {
    if (char === '\n') return '\\n';
    if (char === '\r') return '\\r';
    if (char === '\t') return '\\t';
    return escapeUnits(char);
  });
}

/** A JSON line (with or without its newline) in which no unsafe character is left as it is. */
export function safeJsonLine(line: string): string {
  const body = line.endsWith('\n') ? line.slice(0, -1) : line;
  return `${UNSAFE_ONCE.test(body) ? body.replace(UNSAFE, escapeUnits) : body}\n`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') {
    if (BARE.test(value)) return value;
    return `"${safeText(value.replaceAll('\\', '\\\\').replaceAll('"', '\\"'))}"`;
  }
  if (typeof value === 'object' && value !== null) return safeText(JSON.stringify(value));
  return String(value);
}

function formatTime(time: unknown): string {
  const date = new Date(String(time));
  if (Number.isNaN(date.getTime())) return '--:--:--.---';
  const two = (value: number): string => String(value).padStart(2, '0');
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the pretty form needs of a record; the rest is printed as `key=value`. */
interface Parts {
  readonly level: string;
  readonly time: unknown;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: readonly (readonly [string, unknown])[];
}

function split(record: Record<string, unknown>): Parts {
  const { level, time, msg, stack, ...rest } = record;
  return {
    level: typeof level === 'string' ? level : 'info',
    time,
    message: typeof msg === 'string' ? msg : '',
    stack: typeof stack === 'string' ? stack : undefined,
    fields: Object.entries(rest),
  };
}

/** The pretty form of one JSON log line, newline included. A `stack` field follows, indented. */
export function prettyLine(json: string, colour: boolean): string {
  let record: unknown;
  try {
    record = JSON.parse(json);
  } catch {
    return safeJsonLine(json);
  }
  if (!isRecord(record)) return safeJsonLine(json);
  const { level, time, message, stack, fields } = split(record);
  const paint = (code: string | undefined, text: string): string =>
    colour && code !== undefined ? `${code}${text}${RESET}` : text;
  let line = `${paint(DIM, formatTime(time))} ${paint(COLOURS[level], level.toUpperCase().padEnd(5))}`;
  line += ` ${safeText(message)}`;
  for (const [key, value] of fields) {
    line += ` ${paint(DIM, `${safeText(key)}=`)}${formatValue(value)}`;
  }
  for (const frame of stack?.split('\n') ?? []) line += `\n    ${safeText(frame.trim())}`;
  return `${line}\n`;
}
