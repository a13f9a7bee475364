/** TLS between an engine's link and a socket of node:tls, or between two links. */
import { once } from 'node:events';
import net from 'node:net';
import type tls from 'node:tls';
import type { Link, LinkSink } from '../../ts/dataplane/link.ts';
import { OpenLinks } from '../../ts/dataplane/open-links.ts';
import { TcpLink } from '../../ts/dataplane/tcp-link.ts';
import type { TlsLink } from '../../ts/dataplane/tls-link.ts';
import { RefusedError } from '../../ts/dataplane/transport/codec.ts';
import { shakeTlsClient, shakeTlsServer } from '../../ts/dataplane/transport/tls-handshake.ts';
import type { TlsSpec } from '../../ts/engine/spec.ts';
import { identity, type LeafName, roots } from './certificates.ts';
import type { Address } from './peer.ts';

export function serverSpec(...names: LeafName[]): TlsSpec {
  return { identities: names.map(identity), roots: [], hostname: '' };
}

export function clientSpec(hostname = 'localhost', root: 'ca' | 'other-ca' = 'ca'): TlsSpec {
  return { identities: [], roots: roots(root), hostname };
}

/** What a link told its sink. */
export class Told implements LinkSink {
  readonly #chunks: Uint8Array[] = [];
  /** How many bytes came. */
  length = 0;
  ended = false;
  closedWith: [Error | undefined] | undefined;
  /** What `data` answers. */
  takes = true;

  data(chunk: Uint8Array): boolean {
    // A link may use the memory again.
    this.#chunks.push(Uint8Array.from(chunk));
    this.length += chunk.length;
    return this.takes;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  end(): void {
    this.ended = true;
  }

  closed(error: Error | undefined): void {
    if (this.closedWith !== undefined) throw new Error('closed twice');
    this.closedWith = [error];
  }
}

/** A link with a sink, reading. */
export function told(link: Link): Told {
  const sink = new Told();
  link.setSink(sink);
  link.resume();
  return sink;
}

/** Listeners, links and sockets of one test. */
export class TlsScene {
  readonly faults: unknown[] = [];
  readonly links: OpenLinks = new OpenLinks((error) => this.faults.push(error));
  readonly #cleanups: (() => void)[] = [];

  /** `serve` gets each connection as a server of an engine does. */
  async listen(serve: (socket: net.Socket) => void): Promise<Address> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      this.onEnd(() => socket.destroy());
      socket.on('error', () => undefined);
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.onEnd(() => server.close());
    return { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
  }

  /** A server of ours: its links, or why there is none, in order. */
  async ourServer(spec: TlsSpec): Promise<{ address: Address; next(): Promise<TlsLink> }> {
    const results: Promise<TlsLink>[] = [];
    let wake = (): void => undefined;
    const address = await this.listen((socket) => {
      const result = shakeTlsServer(this.links, TcpLink.accepted(this.links, socket), spec);
      result.catch(() => undefined);
      results.push(result);
      wake();
    });
    const first = async (): Promise<TlsLink> => {
      while (results.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      // The loop has just seen that there is one.
      return results.shift() as Promise<TlsLink>;
    };
    const next = (): Promise<TlsLink> => {
      const result = first();
      // A test that does not look at it does not mind.
      result.catch(() => undefined);
      return result;
    };
    return { address, next };
  }

  async tcp(to: Address): Promise<TcpLink> {
    const link = TcpLink.dial(this.links, to, { noDelay: true } as net.SocketConstructorOpts);
    await new Promise<void>((resolve, reject) => {
      link.established((error) => (error === undefined ? resolve() : reject(error)));
    });
    return link;
  }

  /** A client of ours. */
  async ourClient(to: Address, spec: TlsSpec, signal?: AbortSignal): Promise<TlsLink> {
    return shakeTlsClient(this.links, await this.tcp(to), spec, signal);
  }

  keep<S extends tls.TLSSocket | net.Socket>(socket: S): S {
    socket.on('error', () => undefined);
    this.onEnd(() => socket.destroy());
    return socket;
  }

  onEnd(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  async end(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
    await this.links.destroyAll();
  }
}

/** Why there is no link. */
export async function refusal(result: Promise<unknown>): Promise<RefusedError> {
  const error = await result.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RefusedError) return error;
  throw new Error(`not refused: ${error}`);
}
