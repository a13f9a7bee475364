/** The server's half of the upgrade: what must be true of the request, and the response. */
import type { WebsocketSpec } from '../../engine/spec.ts';
import type { Handshake, RefusedError, Step } from './codec.ts';
import {
  HEADERS_MAX,
  HeadEnd,
  type HttpHead,
  hasToken,
  headerValues,
  parseHead,
  shown,
} from './http-head.ts';
import { WebsocketFrames } from './websocket-frames.ts';
import {
  acceptOf,
  HEAD_MAX_BYTES,
  OURS_LOWER,
  upgradeRefused,
  WEBSOCKET_NAME,
} from './websocket-upgrade.ts';

const BAD_REQUEST: readonly string[] = ['400 Bad Request', 'connection: close'];
const NOT_FOUND: readonly string[] = ['404 Not Found', 'connection: close'];
const METHOD_NOT_ALLOWED: readonly string[] = [
  '405 Method Not Allowed',
  'allow: GET',
  'connection: close',
];
const UPGRADE_REQUIRED: readonly string[] = [
  '426 Upgrade Required',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'connection: upgrade, close',
];
const METHOD_SHOWN_MAX = 20;
const TARGET_SHOWN_MAX = 200;

/** A request that is not for us: how it is answered, and why. */
class BadRequest {
  readonly answer: readonly string[];
  readonly error: RefusedError;

  constructor(answer: readonly string[], text: string) {
    this.answer = answer;
    this.error = upgradeRefused(text);
  }
}

export class ServerUpgrade implements Handshake {
  readonly name: string = WEBSOCKET_NAME;
  readonly #spec: WebsocketSpec;
  readonly #end: HeadEnd = new HeadEnd(HEAD_MAX_BYTES);

  constructor(spec: WebsocketSpec) {
    this.#spec = spec;
  }

  advance(came: Buffer): Step {
    const used = this.#headLength(came);
    if (used === undefined) return { state: 'wait', used: 0, out: [] };
    const request = used instanceof BadRequest ? used : check(came.subarray(0, used), this.#spec);
    if (used instanceof BadRequest || request instanceof BadRequest) {
      const { answer, error } = request as BadRequest;
      return { state: 'refused', out: [response([...answer, 'content-length: 0'])], error };
    }
    const lines = [
      '101 Switching Protocols',
      'connection: Upgrade',
      'upgrade: websocket',
      `sec-websocket-accept: ${acceptOf(request.key)}`,
    ];
    if (request.ours) lines.push(`${OURS_LOWER}: 1`);
    const codec = new WebsocketFrames('server', request.ours);
    return { state: 'done', used, out: [response(lines)], codec };
  }

  #headLength(came: Buffer): number | undefined | BadRequest {
    // A method is upper case. What begins otherwise (a TLS hello) may never end a line.
    if (came.length > 0 && !/^[A-Z\r\n]/.test(came.toString('latin1', 0, 1))) {
      return new BadRequest(BAD_REQUEST, 'the client speaks something that is not HTTP/1.1');
    }
    const end = this.#end.find(came);
    if (end === 'too long') {
      const text = `the head of the request is longer than ${HEAD_MAX_BYTES} bytes`;
      return new BadRequest(BAD_REQUEST, text);
    }
    return end === 'wait' ? undefined : end;
  }
}

function response(lines: readonly string[]): Buffer {
  return Buffer.from(`HTTP/1.1 ${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Host, Origin and offers of subprotocols and extensions are nothing to us. */
function check(bytes: Buffer, spec: WebsocketSpec): { key: string; ours: boolean } | BadRequest {
  const head = parseHead(bytes);
  const line = head && /^([!-~]+) ([!-~]+) HTTP\/1\.([01])$/.exec(head.start);
  if (!head || !line) return new BadRequest(BAD_REQUEST, 'not an HTTP request that we can read');
  if (head.headers.length > HEADERS_MAX) {
    return new BadRequest(BAD_REQUEST, `the request has more than ${HEADERS_MAX} headers`);
  }
  const [, method = '', target = '', minor] = line;
  if (method !== 'GET') {
    const text = `the request's method is ${method.slice(0, METHOD_SHOWN_MAX)}, not GET`;
    return new BadRequest(METHOD_NOT_ALLOWED, text);
  }
  if (minor !== '1') {
    return new BadRequest(BAD_REQUEST, 'the request is of HTTP/1.0, which has no upgrade');
  }
  if (!isOurs(target, spec.path)) {
    const text = `the client wants ${shown(target, TARGET_SHOWN_MAX)}, here is ${spec.path} only`;
    return new BadRequest(NOT_FOUND, text);
  }
  return checkUpgrade(head);
}

function isOurs(target: string, path: string): boolean {
  return path === '/' || target === path || target.split('?')[0] === path;
}

function checkUpgrade(head: HttpHead): { key: string; ours: boolean } | BadRequest {
  if (!hasToken(head, 'upgrade', 'websocket') || !hasToken(head, 'connection', 'upgrade')) {
    return new BadRequest(UPGRADE_REQUIRED, 'the request does not ask for a WebSocket');
  }
  if (headerValues(head, 'sec-websocket-version')[0] !== '13') {
    return new BadRequest(UPGRADE_REQUIRED, 'the request is not of WebSocket version 13');
  }
  const [key = ''] = headerValues(head, 'sec-websocket-key');
  if (key === '') return new BadRequest(BAD_REQUEST, 'the request has no Sec-WebSocket-Key');
  return { key, ours: hasToken(head, OURS_LOWER, '1') };
}
