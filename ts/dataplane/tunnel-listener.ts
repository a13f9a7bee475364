/**
 * Accepts tunnel connections and tells them apart by their hello. Each connection is on its own
 * from accept on: a silent one costs a slot for 5 seconds and delays nobody (wire-v1 W1, W2).
 */
import type net from 'node:net';
import type { CloseOptions, TunnelHandler, TunnelListener } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress, TransportSpec, TunnelListenSpec } from '../engine/spec.ts';
import { type DataplaneContext, keyText } from './context.ts';
import { TypescriptControlStream } from './control-stream.ts';
import { boundAddress, listenTcp } from './listen.ts';
import { TcpLink } from './tcp-link.ts';

export class TypescriptTunnelListener implements TunnelListener {
  readonly #context: DataplaneContext;
  readonly #spec: TunnelListenSpec;
  readonly #handler: TunnelHandler;
  readonly #server: net.Server;
  #transport: TransportSpec;
  readonly #closed: Promise<void>;
  #closing = false;
  /** Connections whose hello or handshake is not complete: how to end each. */
  readonly #pending = new Set<(reason: EndReason) => void>();
  readonly #controls = new Set<TypescriptControlStream>();

  private constructor(
    context: DataplaneContext,
    spec: TunnelListenSpec,
    handler: TunnelHandler,
    server: net.Server,
  ) {
    this.#context = context;
    this.#spec = spec;
    this.#handler = handler;
    this.#transport = spec.transport;
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once('close', resolve));
    server.on('connection', (socket) => {
      try {
        this.#accept(socket);
      } catch (error) {
        context.fault('tunnel accept', error);
        socket.destroy();
      }
    });
  }

  static async open(
    context: DataplaneContext,
    spec: TunnelListenSpec,
    handler: TunnelHandler,
  ): Promise<TypescriptTunnelListener> {
    const server = await listenTcp(spec.bind, (address, error) =>
      context.event({ type: 'accept_failed', address, error }),
    );
    return new TypescriptTunnelListener(context, spec, handler, server);
  }

  /** Resolves when it has ended, whoever ended it. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  get address(): SocketAddress {
    return boundAddress(this.#server);
  }

  update(transport: TransportSpec): void {
    this.#transport = transport;
  }

  close(_options: CloseOptions): Promise<void> {
    return this.#end('tunnel_closed');
  }

  destroy(): void {
    void this.#end('destroyed');
  }

  /** Ends listener and sessions with the reason that the engine's own end has. */
  closeWith(reason: EndReason): Promise<void> {
    return this.#end(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end('tunnel_closed');
  }

  #end(reason: EndReason): Promise<void> {
    if (!this.#closing) this.#server.close();
    this.#closing = true;
    for (const end of [...this.#pending]) end(reason);
    for (const control of [...this.#controls]) control.destroy(reason);
    return this.#closed;
  }

  #accept(socket: net.Socket): void {
    const link = TcpLink.accepted(this.#context.links, socket);
    const { tcp } = this.#transport;
    const { peer } = link;
    const { admission, limits } = this.#context;
    const verdict = admission.enter(peer.host);
    if (verdict !== 'admitted') {
      this.#context.rejectTunnel(verdict, peer);
      link.abort();
      return;
    }
    link.setNoDelay(tcp.nodelay);
    link.setKeepAlive(tcp.keepaliveMs);

    // One deadline from accept to authenticated; `settled` runs once, however it goes.
    let end = (reason: EndReason): void => {
      settled();
      this.#reject(link, reason);
    };
    const fail = (reason: EndReason): void => {
      if (this.#pending.has(fail)) end(reason);
    };
    const timer = setTimeout(() => fail('handshake_timeout'), limits.handshakeTimeoutMs);
    const settled = (): void => {
      clearTimeout(timer);
      if (this.#pending.delete(fail)) admission.leave(peer.host);
    };
    this.#pending.add(fail);

    this.#readHello(link, fail, (kind, digest, rest) => {
      if (kind === 'data') {
        settled();
        this.#matchData(link, digest, rest);
        return;
      }
      const control = new TypescriptControlStream(link, {
        lingerMs: limits.lingerMs,
        unread: rest,
        settled,
        ended: (reason, wasAttached) => {
          this.#controls.delete(control);
          if (!wasAttached) this.#context.rejectTunnel(reason, peer);
        },
      });
      end = (reason) => control.destroy(reason);
      this.#controls.add(control);
      this.#handler.control(digest, control);
    });
  }

  /** Ends a connection that nobody owns; its own end says nothing more. */
  #reject(link: TcpLink, reason: EndReason): void {
    link.setSink({ data: () => false, end() {}, closed() {} });
    this.#context.rejectTunnel(reason, link.peer);
    link.destroy();
  }

  #matchData(link: TcpLink, key: Uint8Array, rest: Uint8Array): void {
    const take = this.#context.sessions.get(keyText(key));
    // A client sends nothing between hello and start (wire-v1 7.6).
    const reason = take === undefined ? 'unknown_session' : 'early_data';
    if (take === undefined || rest.length > 0) {
      this.#reject(link, reason);
    } else {
      take(link);
    }
  }

  /** Reads the hello; `rest` is what came in the same read behind it. */
  #readHello(
    link: TcpLink,
    fail: (reason: EndReason) => void,
    done: (kind: 'control' | 'data', digest: Uint8Array, rest: Uint8Array) => void,
  ): void {
    const { hello } = this.#spec;
    let got = Buffer.alloc(0);
    link.setSink({
      data: (chunk) => {
        got = Buffer.concat([got, chunk]);
        if (got.length < hello.length) return true;
        const kind = startsWith(got, hello.control)
          ? 'control'
          : startsWith(got, hello.data)
            ? 'data'
            : undefined;
        if (kind === undefined) {
          fail('bad_hello');
          return false;
        }
        const digest = Uint8Array.from(got.subarray(hello[kind].length, hello.length));
        done(kind, digest, got.subarray(hello.length));
        return !link.closed;
      },
      end: () => fail('handshake_eof'),
      closed: () => fail('handshake_eof'),
    });
    link.resume();
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
