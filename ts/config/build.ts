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
import { parseProxy } from './proxy.ts';
import type { ClientTable, FileTable, ServerTable, TransportTable } from './schema.ts';
import { Secret } from './secret.ts';
import type { ResolvedTokens } from './tokens.ts';

/** The configuration of a checked file. */
export function buildConfig(file: FileTable, tokens: ResolvedTokens): Config {
  return {
    server: file.server && buildServer(file.server, tokens.server),
    client: file.client && buildClient(file.client, tokens.client),
  };
}

function buildServer(table: ServerTable, tokens: ReadonlyMap<string, Secret>): ServerConfig {
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
    transport: buildTransport('server', table.transport),
    services,
  };
}

function buildClient(table: ClientTable, tokens: ReadonlyMap<string, Secret>): ClientConfig {
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
    preferIpv6: table.prefer_ipv6,
    transport: buildTransport('client', table.transport),
    services,
  };
}

function buildTransport(role: Role, table: TransportTable): TransportConfig {
  const { type, tcp, tls, noise, websocket } = table;
  const proxy = role === 'client' && tcp.proxy !== undefined ? parseProxy(tcp.proxy) : undefined;
  const usesTls = type === 'tls' || (type === 'websocket' && websocket?.tls === true);
  return {
    type,
    tcp: {
      nodelay: tcp.nodelay,
      keepaliveSecs: keepalive(tcp.keepalive_secs),
      keepaliveIntervalSecs: keepalive(tcp.keepalive_interval),
      proxy: proxy?.ok ? proxy.proxy : undefined,
    },
    // Tables of transports that are not selected are ignored, here and so everywhere.
    tls: usesTls
      ? {
          hostname: tls?.hostname,
          trustedRoot: tls?.trusted_root,
          pkcs12: tls?.pkcs12,
          pkcs12Password: secret(tls?.pkcs12_password),
        }
      : undefined,
    noise:
      type === 'noise' && noise !== undefined
        ? {
            pattern: noise.pattern,
            localPrivateKey: secret(noise.local_private_key),
            remotePublicKey: noise.remote_public_key,
          }
        : undefined,
    websocket: type === 'websocket' && websocket !== undefined ? { tls: websocket.tls } : undefined,
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
