/** The client's half of the upgrade: the request, and what must be true of the response. */
import { randomBytes } from 'node:crypto';
import { formatAddress } from '../../config/address.ts';
import type { HostPort, WebsocketSpec } from '../../engine/spec.ts';
import { type Handshake, RefusedError, type Step } from './codec.ts';
import {
  HeadEnd,
  hasToken,
  headerValues,
  parseHead,
  readStatus,
  shown,
  writeHead,
} from './http-head.ts';
import { WebsocketFrames } from './websocket-frames.ts';
import {
  acceptOf,
  HEAD_MAX_BYTES,
  OURS,
  OURS_LOWER,
  upgradeRefused,
  WEBSOCKET_NAME,
} from './websocket-upgrade.ts';

const BEGINNING = 'HTTP/1.';
const LOCATION_MAX = 200;

export class ClientUpgrade implements Handshake {
  readonly name: string = WEBSOCKET_NAME;
  readonly #spec: WebsocketSpec;
  readonly #host: string;
  readonly #key: string = randomBytes(16).toString('base64');
  readonly #end: HeadEnd = new HeadEnd(HEAD_MAX_BYTES);
  #asked = false;

  constructor(spec: WebsocketSpec, remote: HostPort, overTls: boolean) {
    this.#spec = spec;
    this.#host = hostHeader(remote, overTls);
  }

  advance(came: Buffer): Step {
    const out: Buffer[] = [];
    try {
      if (!this.#asked) {
        this.#asked = true;
        out.push(this.#request());
      }
      const used = this.#headLength(came);
      if (used === undefined) return { state: 'wait', used: 0, out };
      const ours = this.#check(came.subarray(0, used));
      return { state: 'done', used, out, codec: new WebsocketFrames('client', ours) };
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return { state: 'refused', out, error };
    }
  }

  #request(): Buffer {
    const { path, headers } = this.#spec;
    const isHost = ([name]: readonly [string, string]): boolean => name.toLowerCase() === 'host';
    const [, host = this.#host] = headers.find(isHost) ?? [];
    const request = writeHead([
      `GET ${path} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${this.#key}`,
      `${OURS}: 1`,
      ...headers.filter((header) => !isHost(header)).map(([name, value]) => `${name}: ${value}`),
    ]);
    if (request !== undefined) return request;
    throw upgradeRefused('the request would have characters that no HTTP head has');
  }

  #headLength(came: Buffer): number | undefined {
    if (!BEGINNING.startsWith(came.toString('latin1', 0, BEGINNING.length))) {
      throw upgradeRefused('the server answers in something that is not HTTP/1.1');
    }
    const end = this.#end.find(came);
    if (end === 'too long') {
      const text = `the head of the server's answer is longer than ${HEAD_MAX_BYTES} bytes`;
      throw upgradeRefused(text);
    }
    return end === 'wait' ? undefined : end;
  }

  /** Whether the server is ours. */
  #check(bytes: Buffer): boolean {
    const head = parseHead(bytes);
    const status = head && readStatus(head);
    if (head === undefined || status === undefined) {
      throw upgradeRefused("the server's answer is no HTTP response that we can read");
    }
    if (status.code !== 101) {
      const text = `${status.text}: the server or the proxy in front of it answered the WebSocket upgrade`;
      const [location] = headerValues(head, 'location');
      const to = location && ` (it points to ${shown(location, LOCATION_MAX)})`;
      throw upgradeRefused(`${text}${to ?? ''}`);
    }
    const wrong = (what: string): RefusedError => upgradeRefused(`${status.text}, but ${what}`);
    if (!hasToken(head, 'upgrade', 'websocket')) throw wrong('without `Upgrade: websocket`');
    if (!hasToken(head, 'connection', 'upgrade')) throw wrong('without `Connection: Upgrade`');
    const [accept] = headerValues(head, 'sec-websocket-accept');
    if (accept === undefined) throw wrong('without Sec-WebSocket-Accept');
    if (accept !== acceptOf(this.#key)) {
      throw wrong('Sec-WebSocket-Accept is not the answer to our key');
    }
    return hasToken(head, OURS_LOWER, '1');
  }
}

/** The port is left out where it is the scheme's own. */
function hostHeader(remote: HostPort, overTls: boolean): string {
  const text = formatAddress(remote).toLowerCase();
  const ownPort = overTls ? 443 : 80;
  return remote.port === ownPort ? text.slice(0, -`:${ownPort}`.length) : text;
}
