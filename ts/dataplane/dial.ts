/**
 * From a name and a port to a connected link: resolves, then tries every address, the next one
 * 250 ms after the one before without giving that up (RFC 8305), so that neither a dead address nor a
 * long round trip decides (wire-v1 W18).
 */
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { formatAddress } from '../config/address.ts';
import type { HostPort, SocketAddress } from '../engine/spec.ts';
import { errorText, WarrenError } from '../errors.ts';
import type { OpenLinks } from './open-links.ts';
import { TcpLink } from './tcp-link.ts';

const STAGGER_MS = 250;

export interface DialOptions {
  /** Where the connection is counted. */
  readonly links: OpenLinks;
  readonly timeoutMs: number;
  readonly preferIpv6?: boolean;
  readonly nodelay: boolean;
  readonly keepaliveMs: number;
  /** Tried before the addresses of the name. */
  readonly first?: SocketAddress | undefined;
}

/**
 * @throws WARREN_E_CONNECT naming what was tried, the last system error as cause;
 * WARREN_E_ABORTED when the signal fires.
 */
export function dialTcp(
  to: HostPort,
  options: DialOptions,
  signal?: AbortSignal,
): Promise<TcpLink> {
  return new Race(to, options, signal).winner;
}

async function resolve({ host, port }: HostPort, preferIpv6: boolean): Promise<SocketAddress[]> {
  if (net.isIP(host) > 0) return [{ host, port }];
  const answers = await lookup(host, { all: true, verbatim: true });
  if (preferIpv6) answers.sort((a, b) => b.family - a.family);
  return answers.map(({ address }) => ({ host: address, port }));
}

interface Settle {
  readonly resolve: (link: TcpLink) => void;
  readonly reject: (error: Error) => void;
}

/** Attempts under way for one dial; the first that connects wins, the others are dropped. */
class Race {
  readonly winner: Promise<TcpLink>;
  readonly #to: HostPort;
  readonly #options: DialOptions;
  #waiting: SocketAddress[] = [];
  #names: 'unresolved' | 'resolving' | 'resolved' = 'unresolved';
  readonly #running = new Set<TcpLink>();
  readonly #failures: string[] = [];
  #cause: unknown;
  #stagger: NodeJS.Timeout | undefined;
  #settle: Settle | undefined;
  readonly #timeout: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;

  constructor(to: HostPort, options: DialOptions, signal: AbortSignal | undefined) {
    this.#to = to;
    this.#options = options;
    this.#signal = signal;
    this.winner = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#timeout = setTimeout(() => {
      this.#failures.push(`no answer within ${options.timeoutMs} ms`);
      this.#fail(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
    }, options.timeoutMs);
    signal?.addEventListener('abort', this.#onAbort);
    // A known address needs no resolver; the name is for when it does not answer.
    if (options.first !== undefined) this.#waiting = [options.first];
    if (signal?.aborted) this.#onAbort();
    else this.#next();
  }

  readonly #onAbort = (): void =>
    this.#end()?.reject(new WarrenError('WARREN_E_ABORTED', 'dialling was cancelled'));

  /** The resolver cannot be cancelled; its answer may come when nobody waits for it any more. */
  async #resolve(): Promise<void> {
    this.#names = 'resolving';
    const { first, preferIpv6 = false } = this.#options;
    try {
      const found = await resolve(this.#to, preferIpv6);
      this.#waiting = found.filter((a) => a.host !== first?.host || a.port !== first.port);
    } catch (error) {
      this.#cause = error;
      this.#failures.push(`cannot resolve ${this.#to.host}: ${errorText(error)}`);
    }
    this.#names = 'resolved';
    if (this.#settle !== undefined) this.#next();
  }

  #next(): void {
    clearTimeout(this.#stagger);
    const address = this.#waiting.shift();
    if (address === undefined) {
      if (this.#names === 'unresolved') void this.#resolve();
      else if (this.#names === 'resolved' && this.#running.size === 0) this.#fail(this.#cause);
      return;
    }
    this.#attempt(address);
    if (this.#waiting.length > 0 || this.#names === 'unresolved') {
      this.#stagger = setTimeout(() => this.#next(), STAGGER_MS);
    }
  }

  #attempt(address: SocketAddress): void {
    const { links, nodelay, keepaliveMs } = this.#options;
    const link = TcpLink.dial(links, address, {
      noDelay: nodelay,
      keepAlive: keepaliveMs > 0,
      keepAliveInitialDelay: keepaliveMs,
    } as net.SocketConstructorOpts);
    this.#running.add(link);
    link.established((error) => {
      this.#running.delete(link);
      if (error === undefined) {
        this.#end()?.resolve(link);
        return;
      }
      if (this.#settle === undefined) return;
      this.#cause = error;
      this.#failures.push(errorText(error));
      this.#next();
    });
  }

  #fail(cause: unknown): void {
    const to = formatAddress(this.#to);
    const message = `cannot connect to ${to}: ${this.#failures.join('; ') || errorText(cause)}`;
    this.#end()?.reject(new WarrenError('WARREN_E_CONNECT', message, { cause }));
  }

  /** Once: stops everything that still runs and returns how to settle. */
  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    clearTimeout(this.#timeout);
    clearTimeout(this.#stagger);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    for (const link of this.#running) link.destroy();
    this.#running.clear();
    return settle;
  }
}
