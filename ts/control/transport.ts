/**
 * What engines are told of transports: the configuration, its files already read and checked, as
 * specs. It reads nothing and cannot fail.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  ClientConfig,
  NoiseConfig,
  ServerConfig,
  TcpConfig,
  TlsConfig,
  TransportConfig,
} from '../config/config.ts';
import { processNoiseKey } from '../credentials/noise-keys.ts';
import { pkcs8Of } from '../credentials/private-key.ts';
import type {
  DialSpec,
  NoiseSpec,
  ProxySpec,
  TcpSpec,
  TlsSpec,
  TransportSpec,
} from '../engine/spec.ts';

/**
 * What a server's listener carries tunnel connections on. It ignores `tcp.proxy`, as rathole does.
 */
export function listenTransport({ transport }: ServerConfig): TransportSpec {
  return transportSpec(transport, '');
}

/** Where and how a client dials. */
export function dialSpec({ remoteAddr, preferIpv6, transport }: ClientConfig): DialSpec {
  return {
    remote: remoteAddr,
    preferIpv6,
    transport: transportSpec(transport, remoteAddr.host),
    proxy: proxySpec(transport.tcp),
  };
}

/**
 * What a client has to do about another way to dial. `renew`: only who we are and whom we trust is
 * new; running sessions were authenticated and go on, connections from now on use it. `reconnect`:
 * the way itself is another one.
 */
export function dialChange(before: DialSpec, after: DialSpec): 'none' | 'renew' | 'reconnect' {
  if (isDeepStrictEqual(before, after)) return 'none';
  return isDeepStrictEqual(wayOf(before), wayOf(after)) ? 'renew' : 'reconnect';
}

/** Without who we are and whom we trust. */
function wayOf(dial: DialSpec): DialSpec {
  const { transport } = dial;
  if (!('tls' in transport) || transport.tls === undefined) return dial;
  const tls = { ...transport.tls, identities: [], roots: [] };
  return { ...dial, transport: { ...transport, tls } };
}

function transportSpec(transport: TransportConfig, serverName: string): TransportSpec {
  const { type, noise, tls, websocket } = transport;
  const tcp = tcpSpec(transport.tcp);
  switch (type) {
    case 'tcp':
      return { type, tcp };
    case 'tls':
      return { type, tcp, tls: tlsSpec(proven(tls), serverName) };
    case 'noise':
      return { type, tcp, noise: noiseSpec(proven(noise)) };
    case 'websocket': {
      const { path, headers } = proven(websocket);
      return {
        type,
        tcp,
        websocket: {
          path,
          headers: [...headers].map(([name, value]) => [name, value.reveal()] as const),
        },
        tls: tls && tlsSpec(tls, serverName),
      };
    }
  }
}

function tcpSpec({ nodelay, keepaliveSecs, keepaliveIntervalSecs }: TcpConfig): TcpSpec {
  const keepaliveMs = keepaliveSecs * 1_000;
  return { nodelay, keepaliveMs, keepaliveIntervalMs: keepaliveIntervalSecs * 1_000 };
}

function tlsSpec({ files, hostname }: TlsConfig, serverName: string): TlsSpec {
  return {
    identities: files.identities.map(({ chain, key }) => ({ chain, key: pkcs8Of(key) })),
    roots: files.roots,
    hostname: certificateName(hostname ?? serverName),
  };
}

/** A certificate has neither a final dot nor an IPv6 zone in its names. */
function certificateName(host: string): string {
  return host.replace(/%.*$/, '').replace(/\.$/, '');
}

function noiseSpec({ pattern, localPrivateKey, remotePublicKey }: NoiseConfig): NoiseSpec {
  const local = localPrivateKey?.reveal();
  return {
    pattern,
    localPrivateKey: local === undefined ? processNoiseKey() : Buffer.from(local, 'base64'),
    remotePublicKey:
      remotePublicKey === undefined ? undefined : Buffer.from(remotePublicKey, 'base64'),
  };
}

function proxySpec({ proxy }: TcpConfig): ProxySpec | undefined {
  if (proxy === undefined) return undefined;
  const { scheme, host, port, username = '', password } = proxy;
  const credentials =
    proxy.username === undefined && password === undefined
      ? undefined
      : { username, password: password?.reveal() ?? '' };
  return { type: scheme, address: { host, port }, credentials };
}

function proven<Table>(table: Table | undefined): Table {
  if (table === undefined) throw new TypeError('unchecked transport without its table');
  return table;
}
