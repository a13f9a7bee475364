/**
 * Accepts tunnel connections and tells them apart by their hello. Each connection is on its own
 * from accept on: a silent one costs a slot for 5 seconds and delays nobody (wire-v1 W1, W2).
 */
import type net from 'node:net';
import type { CloseOptions, TunnelHandler, TunnelListener } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import type { SocketAddress, TransportSpec, TunnelListenSpec } from '../engine/spec.ts';
import { Arrival, type Greeting } from './arrival.ts';
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
  /** Connections whose handshake is not complete. */
  readonly #arrivals = new Set<Arrival>();
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
    for (const arrival of [...this.#arrivals]) arrival.end(reason);
    for (const control of [...this.#controls]) control.destroy(reason);
    return this.#closed;
  }

  #accept(socket: net.Socket): void {
    const link = TcpLink.accepted(this.#context.links, socket);
    const transport = this.#transport;
    const { peer } = link;
    const { admission } = this.#context;
    const verdict = admission.enter(peer.host);
    if (verdict !== 'admitted') {
      this.#context.rejectTunnel(verdict, peer);
      link.abort();
      return;
    }
    link.setNoDelay(transport.tcp.nodelay);
    link.setKeepAlive(transport.tcp.keepaliveMs);
    const arrival = new Arrival(this.#context, link, {
      hello: this.#spec.hello,
      greeted: (which, greeting) => {
        if (greeting.kind === 'data') this.#matchData(which, greeting);
        else this.#offerControl(which, greeting);
      },
      settled: (which) => {
        this.#arrivals.delete(which);
        admission.leave(peer.host);
      },
    });
    this.#arrivals.add(arrival);
    arrival.start(transport);
  }

  #offerControl(arrival: Arrival, { digest, rest }: Greeting): void {
    const { link } = arrival;
    const control = new TypescriptControlStream(link, {
      lingerMs: this.#context.limits.lingerMs,
      unread: rest,
      settled: () => arrival.settle(),
      ended: (reason, wasAttached) => {
        this.#controls.delete(control);
        if (!wasAttached) this.#context.rejectTunnel(reason, link.peer);
      },
    });
    arrival.ownEnd((reason) => control.destroy(reason));
    this.#controls.add(control);
    this.#handler.control(digest, control);
  }

  #matchData(arrival: Arrival, { digest, rest }: Greeting): void {
    const take = this.#context.sessions.get(keyText(digest));
    if (take === undefined) {
      arrival.end('unknown_session');
    } else if (rest.length > 0) {
      // A client sends nothing between hello and start (wire-v1 7.6).
      arrival.end('early_data');
    } else {
      arrival.settle();
      take(arrival.link);
    }
  }
}
