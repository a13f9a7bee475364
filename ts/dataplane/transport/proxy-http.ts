/** HTTP CONNECT (RFC 9110 9.3.6) with basic authentication (RFC 7617). */
import { formatAddress } from '../../config/address.ts';
import type { HostPort, ProxySpec } from '../../engine/spec.ts';
import type { Handshake, Step } from './codec.ts';
import { HeadEnd, parseHead, readStatus, writeHead } from './http-head.ts';
import { proxyDone, proxyRefused } from './proxy-step.ts';

const HEAD_MAX_BYTES = 4_096;

export class HttpConnect implements Handshake {
  readonly name = 'HTTP CONNECT';
  readonly #proxy: ProxySpec;
  readonly #remote: HostPort;
  readonly #end = new HeadEnd(HEAD_MAX_BYTES);
  #asked = false;

  constructor(proxy: ProxySpec, remote: HostPort) {
    this.#proxy = proxy;
    this.#remote = remote;
  }

  advance(came: Buffer): Step {
    if (!this.#asked) {
      this.#asked = true;
      const request = this.#request();
      if (request === undefined) return this.#refused('cannot be told a name with such characters');
      return { state: 'wait', used: 0, out: [request] };
    }
    const length = this.#end.find(came);
    if (length === 'wait') return { state: 'wait', used: 0, out: [] };
    if (length === 'too long')
      return this.#refused(`answered with more than ${HEAD_MAX_BYTES} bytes`);
    const head = parseHead(came.subarray(0, length));
    const status = head && readStatus(head);
    if (status === undefined) return this.#refused('did not answer in HTTP/1.1');
    if (status.code >= 200 && status.code < 300) return proxyDone(came, length);
    return this.#refused(this.#explain(status));
  }

  #request(): Buffer | undefined {
    const target = formatAddress(this.#remote);
    const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
    const { credentials } = this.#proxy;
    if (credentials !== undefined) {
      const { username, password } = credentials;
      const basic = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
      lines.push(`Proxy-Authorization: Basic ${basic}`);
    }
    return writeHead(lines);
  }

  #explain(status: { code: number; text: string }): string {
    if (status.code === 407) {
      return this.#proxy.credentials === undefined
        ? `wants a user name and a password (${status.text})`
        : `did not accept the user name or the password (${status.text})`;
    }
    return `refused to connect to ${formatAddress(this.#remote)}: ${status.text}`;
  }

  #refused(text: string): Step {
    return proxyRefused(this.#proxy, text);
  }
}
