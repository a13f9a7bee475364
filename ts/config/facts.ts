/**
 * A checked configuration as flat lines in the file's own key names and units. `effective.ts`
 * prints them, `diff.ts` compares them, so neither can forget a key.
 */
import { formatAddress } from './address.ts';
import type {
  ClientConfig,
  ClientServiceConfig,
  ServerConfig,
  ServerServiceConfig,
  TransportConfig,
} from './config.ts';
import { formatKey, quote } from './key-path.ts';
import { formatProxy } from './proxy.ts';
import { SECRET_MASK, Secret } from './secret.ts';

/** One key and its value. */
export interface Fact {
  /** Dotted, from the section or service on: `transport.tcp.nodelay`. */
  readonly key: string;
  /** As TOML, secrets masked. */
  readonly text: string;
  /** What `text` hides: compared by value, never printed. */
  readonly secrets: readonly Secret[];
}

/** A section's facts: its own and each service's. */
export interface SectionFacts {
  readonly general: readonly Fact[];
  readonly services: ReadonlyMap<string, readonly Fact[]>;
  readonly usesTls: boolean;
}

/** The facts of a server. Default tokens are in the services already. */
export function serverFacts(config: ServerConfig): SectionFacts {
  return {
    general: [
      text('bind_addr', formatAddress(config.bindAddr)),
      seconds('heartbeat_interval', config.heartbeatIntervalMs),
      text('channels', config.channels),
      ...transportFacts(config.transport),
    ],
    services: mapValues(config.services, serverServiceFacts),
    usesTls: config.transport.tls !== undefined,
  };
}

/** The facts of a client. Each service's retry interval is resolved into it. */
export function clientFacts(config: ClientConfig): SectionFacts {
  return {
    general: [
      text('remote_addr', formatAddress(config.remoteAddr)),
      seconds('heartbeat_timeout', config.heartbeatTimeoutMs),
      text('channels', config.channels),
      plain('prefer_ipv6', config.preferIpv6),
      ...transportFacts(config.transport),
    ],
    services: mapValues(config.services, clientServiceFacts),
    usesTls: config.transport.tls !== undefined,
  };
}

function serverServiceFacts(service: ServerServiceConfig): Fact[] {
  return [
    text('type', service.type),
    text('bind_addr', formatAddress(service.bindAddr)),
    secret('token', service.token),
    ...optional(service.nodelay, (value) => plain('nodelay', value)),
  ];
}

function clientServiceFacts(service: ClientServiceConfig): Fact[] {
  return [
    text('type', service.type),
    text('local_addr', formatAddress(service.localAddr)),
    secret('token', service.token),
    ...optional(service.nodelay, (value) => plain('nodelay', value)),
    seconds('retry_interval', service.retryIntervalMs),
    plain('prefer_ipv6', service.preferIpv6),
  ];
}

function transportFacts(transport: TransportConfig): Fact[] {
  const { tcp, tls, noise, websocket } = transport;
  const facts = [
    text('type', transport.type),
    plain('tcp.nodelay', tcp.nodelay),
    plain('tcp.keepalive_secs', tcp.keepaliveSecs),
    plain('tcp.keepalive_interval', tcp.keepaliveIntervalSecs),
    ...optional(tcp.proxy, (proxy) => {
      // Whoever may see a password may see the name; whoever may not gets neither.
      const name = proxy.username === undefined ? [] : [Secret.from(proxy.username)];
      const password = proxy.password === undefined ? [] : [proxy.password];
      return { ...text('tcp.proxy', formatProxy(proxy)), secrets: [...name, ...password] };
    }),
    ...optional(tls?.hostname, (value) => text('tls.hostname', value)),
    ...optional(tls?.trustedRoot, (value) => text('tls.trusted_root', value)),
    ...optional(tls?.pkcs12, (value) => text('tls.pkcs12', value)),
    ...optional(tls?.pkcs12Password, (value) => secret('tls.pkcs12_password', value)),
    ...optional(tls?.cert, (value) => text('tls.cert', value)),
    ...optional(tls?.key, (value) => text('tls.key', value)),
    ...optional(tls?.clientRoot, (value) => text('tls.client_root', value)),
    ...optional(noise?.pattern, (value) => text('noise.pattern', value)),
    ...optional(noise?.localPrivateKey, (value) => secret('noise.local_private_key', value)),
    ...optional(noise?.remotePublicKey, (value) => text('noise.remote_public_key', value)),
    ...optional(websocket?.tls, (value) => plain('websocket.tls', value)),
    ...optional(websocket?.path, (value) => text('websocket.path', value)),
    ...(websocket === undefined ? [] : headerFacts(websocket.headers)),
  ];
  return facts.map((fact) => ({ ...fact, key: `transport.${fact.key}` }));
}

/** One line for all: a header's name may have a dot in it, which no key path here has. */
function headerFacts(headers: ReadonlyMap<string, Secret>): Fact[] {
  if (headers.size === 0) return [];
  const pairs = [...headers.keys()].map((name) => `${formatKey(name)} = "${SECRET_MASK}"`);
  const line = `{ ${pairs.join(', ')} }`;
  return [{ key: 'websocket.headers', text: line, secrets: [...headers.values()] }];
}

function text(key: string, value: string): Fact {
  return { key, text: quote(value), secrets: [] };
}

function plain(key: string, value: boolean | number): Fact {
  return { key, text: String(value), secrets: [] };
}

function seconds(key: string, milliseconds: number): Fact {
  return plain(key, milliseconds / 1000);
}

function secret(key: string, value: Secret): Fact {
  return { key, text: quote(SECRET_MASK), secrets: [value] };
}

function optional<T>(value: T | undefined, fact: (value: T) => Fact): Fact[] {
  return value === undefined ? [] : [fact(value)];
}

function mapValues<T, U>(map: ReadonlyMap<string, T>, fn: (value: T) => U): Map<string, U> {
  return new Map([...map].map(([key, value]) => [key, fn(value)]));
}
