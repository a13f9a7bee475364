/** WebSocket (RFC 6455, wire-v1 4.4): the upgrade, then a stream of bytes in binary frames. */
import type { HostPort, WebsocketSpec } from '../../engine/spec.ts';
import type { Handshake } from './codec.ts';
import { ClientUpgrade } from './websocket-client-upgrade.ts';
import { ServerUpgrade } from './websocket-server-upgrade.ts';

/** Of one connection that we dialled to `remote`. */
export function websocketClient(
  spec: WebsocketSpec,
  remote: HostPort,
  overTls: boolean,
): Handshake {
  return new ClientUpgrade(spec, remote, overTls);
}

/** Of one connection that we accepted. */
export function websocketServer(spec: WebsocketSpec): Handshake {
  return new ServerUpgrade(spec);
}
