/** What a `websocket` table may add to the upgrade request. */
import type { Role } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { ownValue, type RawTable, type Report, tableOf, textOf } from './report.ts';

/** RFC 9110 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 5.5: visible characters, spaces and tabs between them; nothing beyond ASCII. */
const FIELD_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;
/** RFC 3986 path and query: visible ASCII without a fragment. */
const PATH = /^\/[\x21\x22\x24-\x7e]*$/;
const RESERVED =
  /^(?:connection|upgrade|x-warren|sec-websocket-.*|content-length|transfer-encoding)$/i;
/** Ours and theirs together must fit into what servers take: 64 header lines here. */
const MAX_HEADERS = 32;
const MAX_LETTERS = 8_192;

/** Checks the `websocket` table at `path`. */
export function checkWebsocketTable(
  role: Role,
  websocket: RawTable,
  path: KeyPath,
  report: Report,
): void {
  checkPath(textOf(websocket, 'path'), [...path, 'path'], report);
  const headers = tableOf(ownValue(websocket, 'headers'));
  if (headers === undefined) return;
  if (role === 'server') {
    report.warn([...path, 'headers'], undefined, {
      message: 'a server sends no request and so does not use `headers`',
      found: 'a table',
      remedy: 'remove it, or move it to [client.transport.websocket]',
    });
  }
  checkHeaders(headers, [...path, 'headers'], report);
}

function checkPath(text: string | undefined, path: KeyPath, report: Report): void {
  if (text === undefined || (PATH.test(text) && text.length <= MAX_LETTERS)) return;
  report.error(path, text, {
    message: text.startsWith('/')
      ? 'not a path of a URL: it has characters that must be percent-encoded, or is too long'
      : 'not a path of a URL: it does not begin with "/"',
    allowed: 'a string that begins with "/": letters of ASCII, no spaces, no "#"',
    remedy: 'for example "/tunnel"',
  });
}

function checkHeaders(headers: RawTable, path: KeyPath, report: Report): void {
  const names = Object.keys(headers);
  const seen = new Set<string>();
  for (const name of names) {
    checkHeader(name, textOf(headers, name), [...path, name], report);
    if (seen.has(name.toLowerCase())) {
      report.error([...path, name], undefined, {
        at: 'key',
        message: 'the same header twice: names differ in more than upper and lower case',
        found: 'a header that is there already',
        remedy: 'remove one of them',
      });
    }
    seen.add(name.toLowerCase());
  }
  const letters = names.reduce((sum, name) => sum + name.length + length(headers[name]), 0);
  if (names.length <= MAX_HEADERS && letters <= MAX_LETTERS) return;
  report.error(path, undefined, {
    message: 'more headers than a server would take',
    found: `${names.length} headers of ${letters} characters`,
    allowed: `at most ${MAX_HEADERS} headers of ${MAX_LETTERS} characters together`,
    remedy: 'remove what the gateway does not need',
  });
}

function length(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}

function checkHeader(name: string, value: string | undefined, path: KeyPath, report: Report): void {
  if (!TOKEN.test(name)) {
    report.error(path, undefined, {
      at: 'key',
      message: 'not a header’s name',
      found: 'a key with other characters',
      allowed: "letters, digits and !#$%&'*+-.^_`|~",
      remedy: 'for example "X-Gateway-Key"',
    });
  } else if (RESERVED.test(name)) {
    report.error(path, undefined, {
      at: 'key',
      message: 'the upgrade itself owns this header',
      found: `the header ${name}`,
      allowed: 'any header but Connection, Upgrade, Sec-WebSocket-*, X-Warren and those of a body',
      remedy: 'remove it',
    });
  }
  if (value === undefined || FIELD_VALUE.test(value)) return;
  report.error(path, value, {
    message: 'not a header’s value',
    allowed: 'visible letters of ASCII; spaces and tabs only between them; no line breaks',
    remedy: 'percent-encode or Base64-encode other characters, as the gateway wants it',
  });
}
