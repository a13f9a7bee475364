/**
 * From a connected socket to a link that carries the tunnel: which handshakes a transport has, in
 * order. Deadlines are the caller's.
 */
import type { DialSpec, TransportSpec } from '../engine/spec.ts';
import type { Link } from './link.ts';
import type { OpenLinks } from './open-links.ts';
import { noiseHandshake } from './transport/noise.ts';
import { proxyHandshake } from './transport/proxy.ts';
import { type Refusing, shake } from './transport/shake.ts';
import { shakeTlsClient, shakeTlsServer } from './transport/tls-handshake.ts';
import { websocketClient, websocketServer } from './transport/websocket.ts';

/**
 * The handshakes of a connection that was accepted; plain tcp has none. As `shake`: resolves with
 * the link to use from then on, paused, and destroying `link` ends it.
 */
export async function acceptTransport(
  links: OpenLinks,
  link: Link,
  transport: Exclude<TransportSpec, { type: 'tcp' }>,
  refusing: Refusing,
): Promise<Link> {
  switch (transport.type) {
    case 'tls':
      return shakeTlsServer(links, link, transport.tls, refusing);
    case 'noise':
      return shake(links, link, noiseHandshake(transport.noise, 'responder'), { refusing });
    case 'websocket': {
      const { tls, websocket } = transport;
      const below = tls === undefined ? link : await shakeTlsServer(links, link, tls, refusing);
      return shake(links, below, websocketServer(websocket), { refusing });
    }
  }
}

/** The handshakes of a connection that was dialled, to the server or to the proxy. */
export async function dialTransport(
  links: OpenLinks,
  link: Link,
  { remote, transport, proxy }: DialSpec,
  signal: AbortSignal,
): Promise<Link> {
  const toServer =
    proxy === undefined
      ? link
      : await shake(links, link, proxyHandshake(proxy, remote), { signal });
  switch (transport.type) {
    case 'tcp':
      return toServer;
    case 'tls':
      return shakeTlsClient(links, toServer, transport.tls, signal);
    case 'noise':
      return shake(links, toServer, noiseHandshake(transport.noise, 'initiator'), { signal });
    case 'websocket': {
      const { tls, websocket } = transport;
      const below =
        tls === undefined ? toServer : await shakeTlsClient(links, toServer, tls, signal);
      const upgrade = websocketClient(websocket, remote, tls !== undefined);
      return shake(links, below, upgrade, { signal });
    }
  }
}
