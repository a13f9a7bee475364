/**
 * A proxy between us and the server (wire-v1 4.1, W27): a handshake below every transport. It is
 * told the server's name as it is configured; nothing of that is resolved here.
 */
import type { HostPort, ProxySpec } from '../../engine/spec.ts';
import type { Handshake } from './codec.ts';
import { HttpConnect } from './proxy-http.ts';
import { Socks5Connect } from './proxy-socks5.ts';

/** Asks the proxy at the other end for a connection to `remote`. */
export function proxyHandshake(proxy: ProxySpec, remote: HostPort): Handshake {
  return proxy.type === 'http' ? new HttpConnect(proxy, remote) : new Socks5Connect(proxy, remote);
}
