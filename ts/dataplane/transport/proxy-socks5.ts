/** SOCKS 5 (RFC 1928) with user name and password (RFC 1929). */
import net from 'node:net';
import { formatAddress } from '../../config/address.ts';
import type { HostPort, ProxySpec } from '../../engine/spec.ts';
import { addressBytes } from '../../protocol/udp-frame.ts';
import type { Handshake, Step } from './codec.ts';
import { proxyDone, proxyRefused } from './proxy-step.ts';

const VERSION = 5;
const AUTH_VERSION = 1;
const NO_AUTH = 0;
const PASSWORD_AUTH = 2;
const NO_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
/** Of a name, a user name, a password: its length is one byte. */
const TEXT_MAX_BYTES = 255;

/** RFC 1928 section 6. */
const REPLIES: readonly string[] = [
  'succeeded',
  'general failure',
  'not allowed by its rules',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'TTL expired',
  'it cannot connect',
  'it does not know this kind of address',
];

/** What is awaited. */
type State = 'start' | 'method' | 'auth' | 'reply';

export class Socks5Connect implements Handshake {
  readonly name = 'SOCKS 5';
  readonly #proxy: ProxySpec;
  readonly #remote: HostPort;
  #state: State = 'start';

  constructor(proxy: ProxySpec, remote: HostPort) {
    this.#proxy = proxy;
    this.#remote = remote;
  }

  advance(came: Buffer): Step {
    switch (this.#state) {
      case 'start':
        return this.#greet();
      case 'method':
        return came.length < 2 ? this.#wait() : this.#onMethod(came);
      case 'auth':
        return came.length < 2 ? this.#wait() : this.#onAuth(came);
      case 'reply':
        return this.#onReply(came);
    }
  }

  #wait(): Step {
    return { state: 'wait', used: 0, out: [] };
  }

  #send(next: State, used: number, ...parts: readonly (Uint8Array | readonly number[])[]): Step {
    this.#state = next;
    return { state: 'wait', used, out: [Buffer.concat(parts.map((part) => Buffer.from(part)))] };
  }

  #greet(): Step {
    const tooLong = this.#tooLong();
    if (tooLong !== undefined) return this.#refused(tooLong);
    const methods = this.#proxy.credentials === undefined ? [NO_AUTH] : [NO_AUTH, PASSWORD_AUTH];
    return this.#send('method', 0, [VERSION, methods.length, ...methods]);
  }

  #tooLong(): string | undefined {
    const { credentials } = this.#proxy;
    const texts = {
      'the user name': credentials?.username,
      'the password': credentials?.password,
      "the server's name": this.#remote.host,
    };
    for (const [what, text = ''] of Object.entries(texts)) {
      if (Buffer.byteLength(text) > TEXT_MAX_BYTES) {
        return `cannot be told ${what}: it has more than ${TEXT_MAX_BYTES} bytes`;
      }
    }
    return undefined;
  }

  #onMethod(came: Buffer): Step {
    const [version, method] = came;
    const { credentials } = this.#proxy;
    if (version !== VERSION) return this.#refused('did not answer in SOCKS 5');
    if (method === NO_AUTH) return this.#connect(2);
    if (method === PASSWORD_AUTH && credentials !== undefined) {
      const username = Buffer.from(credentials.username, 'utf8');
      const password = Buffer.from(credentials.password, 'utf8');
      const lengths = [[AUTH_VERSION, username.length], [password.length]] as const;
      return this.#send('auth', 2, lengths[0], username, lengths[1], password);
    }
    if (method !== NO_METHOD)
      return this.#refused(`chose a method that was not offered: ${method}`);
    return this.#refused(
      credentials === undefined
        ? 'wants to know who we are: it needs a user name and a password'
        : 'accepts neither a password nor a client without one',
    );
  }

  #onAuth(came: Buffer): Step {
    if (came[1] !== 0) return this.#refused('did not accept the user name or the password');
    return this.#connect(2);
  }

  #connect(used: number): Step {
    const { host, port } = this.#remote;
    const head = [VERSION, CONNECT, 0];
    const family = net.isIP(host);
    const ends = [
      [...head, family === 4 ? IPV4 : IPV6],
      [port >> 8, port & 0xff],
    ] as const;
    if (family !== 0) return this.#send('reply', used, ends[0], addressBytes(host), ends[1]);
    const name = Buffer.from(host, 'utf8');
    return this.#send('reply', used, [...head, NAME, name.length], name, ends[1]);
  }

  #onReply(came: Buffer): Step {
    const [version, reply, , type, nameLength] = came;
    if (version !== undefined && version !== VERSION) {
      return this.#refused('did not answer in SOCKS 5');
    }
    // A refusal may be cut short behind its code.
    if (reply !== undefined && reply !== 0) {
      const words = REPLIES[reply] ?? `reply ${reply}`;
      return this.#refused(`could not connect to ${formatAddress(this.#remote)}: ${words}`);
    }
    if (type === undefined || nameLength === undefined) return this.#wait();
    const addressLength = { [IPV4]: 4, [NAME]: 1 + nameLength, [IPV6]: 16 }[type];
    if (addressLength === undefined) {
      return this.#refused('answered with an unknown kind of address');
    }
    const length = 4 + addressLength + 2;
    return came.length < length ? this.#wait() : proxyDone(came, length);
  }

  #refused(text: string): Step {
    return proxyRefused(this.#proxy, text);
  }
}
