/** Arbitrary checked configurations. */
import fc from 'fast-check';
import type {
  ClientConfig,
  ClientServiceConfig,
  ServerConfig,
  ServerServiceConfig,
  TransportConfig,
} from '../../../ts/config/config.ts';
import { Secret } from '../../../ts/config/secret.ts';

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const secret = fc.constantFrom('hunter2', 'hunter3', '').map(Secret.from);
const text = fc.constantFrom('x', '', 'a"b\\', '\u007f\n', 'é');
const address = fc.record({
  host: fc.constantFrom('0.0.0.0', '::1', 'example.com'),
  port: fc.nat({ max: 3 }),
});
const seconds = fc.nat({ max: 3 }).map((value) => value * 1000);

const transport: fc.Arbitrary<TransportConfig> = fc.record({
  type: fc.constantFrom('tcp', 'tls', 'noise', 'websocket'),
  tcp: fc.record({
    nodelay: fc.boolean(),
    keepaliveSecs: fc.nat({ max: 2 }),
    keepaliveIntervalSecs: fc.nat({ max: 2 }),
    proxy: maybe(
      fc.record({
        scheme: fc.constantFrom('socks5', 'http'),
        host: fc.constantFrom('h', '::1'),
        port: fc.nat({ max: 2 }),
        username: maybe(fc.constantFrom('hunter2', 'hunter3')),
        password: maybe(secret),
      }),
    ),
  }),
  tls: maybe(
    fc.record({
      hostname: maybe(text),
      trustedRoot: maybe(text),
      clientRoot: maybe(text),
      pkcs12: maybe(text),
      pkcs12Password: maybe(secret),
      cert: maybe(text),
      key: maybe(text),
      files: fc.constant({ identities: [], roots: [], digests: {} }),
    }),
  ),
  noise: maybe(
    fc.record({ pattern: text, localPrivateKey: maybe(secret), remotePublicKey: maybe(text) }),
  ),
  websocket: maybe(
    fc.record({
      tls: fc.boolean(),
      path: text,
      headers: fc
        .dictionary(fc.constantFrom('Host', 'X.a', '__proto__'), secret)
        .map((headers) => new Map(Object.entries(headers))),
    }),
  ),
});

const service = {
  type: fc.constantFrom('tcp' as const, 'udp' as const),
  token: secret,
  nodelay: maybe(fc.boolean()),
};

function services<T>(
  arbitrary: fc.Arbitrary<T>,
): fc.Arbitrary<ReadonlyMap<string, T & { name: string }>> {
  const name = fc.constantFrom('ssh', 'a.b', '', '__proto__', 'constructor', 'é"');
  return fc
    .uniqueArray(fc.tuple(name, arbitrary), { maxLength: 4, selector: ([key]) => key })
    .map((pairs) => new Map(pairs.map(([key, value]) => [key, { ...value, name: key }])));
}

export const serverConfigs: fc.Arbitrary<ServerConfig> = fc.record({
  bindAddr: address,
  heartbeatIntervalMs: seconds,
  channels: fc.constantFrom('reuse', 'v1'),
  transport,
  services: services<Omit<ServerServiceConfig, 'name'>>(
    fc.record({ ...service, bindAddr: address }),
  ),
});

export const clientConfigs: fc.Arbitrary<ClientConfig> = fc.record({
  remoteAddr: address,
  heartbeatTimeoutMs: seconds,
  channels: fc.constantFrom('reuse', 'v1'),
  preferIpv6: fc.boolean(),
  transport,
  services: services<Omit<ClientServiceConfig, 'name'>>(
    fc.record({
      ...service,
      localAddr: address,
      retryIntervalMs: seconds,
      preferIpv6: fc.boolean(),
    }),
  ),
});
