/** Makes the checked configuration of a file that has passed every check. It reports nothing. */
import { parseAddress } from './address.ts';
import { MAX_KEEPALIVE_SECS, MAX_TIMER_SECS } from './checks.ts';
import type {
  ClientConfig,
  ClientServiceConfig,
  Config,
  HostPort,
  Role,
  ServerConfig,
  ServerServiceConfig,
  TransportConfig,
} from './config.ts';
import { asciiName } from './host-name.ts';
import { parseProxy } from './proxy.ts';
import type { ClientTable, FileTable, ServerTable, TransportTable } from './schema.ts';
import { Secret } from './secret.ts';
import type { ResolvedTls, ResolvedTlsTables } from './tls-tables.ts';
import type { ResolvedTokens } from './tokens.ts';

/** The configuration of a checked file. */
export function buildConfig(
  file: FileTable,
  tokens: ResolvedTokens,
  tls: ResolvedTlsTables,
): Config {
  return {
    server: file.server && buildServer(file.server, tokens.server, tls.server),
    client: file.client && buildClient(file.client, tokens.client, tls.client),
  };
}

function buildServer(
  table: ServerTable,
  tokens: ReadonlyMap<string, Secret>,
  tls: ResolvedTls | undefined,
): ServerConfig {
  const services = new Map<string, ServerServiceConfig>();
  for (const [name, service] of table.services) {
    services.set(name, {
      name,
      type: service.type,
      bindAddr: address(service.bind_addr),
      token: proven(tokens.get(name)),
      nodelay: service.nodelay,
    });
  }
  return {
    bindAddr: address(table.bind_addr),
    heartbeatIntervalMs: milliseconds(table.heartbeat_interval),
    channels: table.channels,
    transport: buildTransport('server', table.transport, tls),
    services,
  };
}

function buildClient(
  table: ClientTable,
  tokens: ReadonlyMap<string, Secret>,
  tls: ResolvedTls | undefined,
): ClientConfig {
  const services = new Map<string, ClientServiceConfig>();
  for (const [name, service] of table.services) {
    services.set(name, {
      name,
      type: service.type,
      localAddr: address(service.local_addr),
      token: proven(tokens.get(name)),
      nodelay: service.nodelay,
      retryIntervalMs: milliseconds(service.retry_interval ?? table.retry_interval),
      preferIpv6: service.prefer_ipv6 ?? false,
    });
  }
  return {
    remoteAddr: address(table.remote_addr),
    heartbeatTimeoutMs: milliseconds(table.heartbeat_timeout),
    channels: table.channels,
    preferIpv6: table.prefer_ipv6,
    transport: buildTransport('client', table.transport, tls),
    services,
  };
}

function buildTransport(
  role: Role,
  table: TransportTable,
  tls: ResolvedTls | undefined,
): TransportConfig {
  const { type, tcp, noise, websocket } = table;
  const proxy = role === 'client' && tcp.proxy !== undefined ? parseProxy(tcp.proxy) : undefined;
  return {
    type,
    tcp: {
      nodelay: tcp.nodelay,
      keepaliveSecs: keepalive(tcp.keepalive_secs),
      keepaliveIntervalSecs: keepalive(tcp.keepalive_interval),
      proxy: proxy?.ok ? proxy.proxy : undefined,
    },
    // Tables of transports that are not selected are ignored, here and so everywhere.
    tls: tls && buildTls(role, table.tls, tls),
    noise:
      type === 'noise' && noise !== undefined
        ? {
            pattern: noise.pattern,
            localPrivateKey: secret(noise.local_private_key),
            remotePublicKey: noise.remote_public_key,
          }
        : undefined,
    websocket:
      type === 'websocket' && websocket !== undefined
        ? {
            tls: websocket.tls,
            path: websocket.path,
            headers: new Map(
              role === 'server'
                ? []
                : [...websocket.headers].map(([name, value]) => [name, Secret.from(value)]),
            ),
          }
        : undefined,
  };
}

function buildTls(role: Role, table: TransportTable['tls'], { paths, files }: ResolvedTls) {
  const hostname = role === 'client' ? table?.hostname : undefined;
  return {
    hostname: hostname && asciiName(hostname),
    trustedRoot: paths.trusted_root,
    clientRoot: paths.client_root,
    pkcs12: paths.pkcs12,
    pkcs12Password: paths.pkcs12 === undefined ? undefined : secret(table?.pkcs12_password),
    cert: paths.cert,
    key: paths.key,
    files,
  };
}

function address(text: string): HostPort {
  const result = parseAddress(text);
  if (!result.ok) throw new TypeError(`unchecked address: ${result.reason}`);
  return result.address;
}

function proven(token: Secret | undefined): Secret {
  if (token === undefined) throw new TypeError('unchecked service without a token');
  return token;
}

function secret(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : Secret.from(text);
}

function milliseconds(seconds: bigint): number {
  return Number(seconds > MAX_TIMER_SECS ? MAX_TIMER_SECS : seconds) * 1000;
}

function keepalive(seconds: bigint): number {
  return Number(seconds > MAX_KEEPALIVE_SECS ? MAX_KEEPALIVE_SECS : seconds);
}
