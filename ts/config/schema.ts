/**
 * The shape of a configuration file: every key, its type and its default, as rathole 0.5.0 has
 * them, and those beyond it.
 *
 * Shape only. What the values mean together is `checks.ts` and `transport-checks.ts`; unknown keys
 * are `shape.ts`, which walks these schemas. Each leaf's message says what is allowed there.
 */
import * as v from 'valibot';
import type { ChannelMode, ServiceType, TransportType } from './config.ts';

/** A key that may be left out. */
type Maybe<T> = T | undefined;

interface ServiceTable {
  readonly type: ServiceType;
  readonly token?: Maybe<string>;
  readonly token_file?: Maybe<string>;
  readonly nodelay?: Maybe<boolean>;
}

interface ServerServiceTable extends ServiceTable {
  readonly bind_addr: string;
}

interface ClientServiceTable extends ServiceTable {
  readonly local_addr: string;
  readonly retry_interval?: Maybe<bigint>;
  readonly prefer_ipv6?: Maybe<boolean>;
}

export interface TransportTable {
  readonly type: TransportType;
  readonly tcp: {
    readonly nodelay: boolean;
    readonly keepalive_secs: bigint;
    readonly keepalive_interval: bigint;
    readonly proxy?: Maybe<string>;
  };
  readonly tls?: Maybe<{
    readonly hostname?: Maybe<string>;
    readonly trusted_root?: Maybe<string>;
    readonly pkcs12?: Maybe<string>;
    readonly pkcs12_password?: Maybe<string>;
    readonly cert?: Maybe<string>;
    readonly key?: Maybe<string>;
    readonly client_root?: Maybe<string>;
  }>;
  readonly noise?: Maybe<{
    readonly pattern: string;
    readonly local_private_key?: Maybe<string>;
    readonly remote_public_key?: Maybe<string>;
  }>;
  readonly websocket?: Maybe<{
    readonly tls: boolean;
    readonly path: string;
    readonly headers: Map<string, string>;
  }>;
}

interface SectionTable<Service> {
  readonly default_token?: Maybe<string>;
  readonly default_token_file?: Maybe<string>;
  readonly channels: ChannelMode;
  readonly transport: TransportTable;
  readonly services: Map<string, Service>;
}

export interface ServerTable extends SectionTable<ServerServiceTable> {
  readonly bind_addr: string;
  readonly heartbeat_interval: bigint;
}

export interface ClientTable extends SectionTable<ClientServiceTable> {
  readonly remote_addr: string;
  readonly heartbeat_timeout: bigint;
  readonly retry_interval: bigint;
  readonly prefer_ipv6: boolean;
}

export interface FileTable {
  readonly server?: Maybe<ServerTable>;
  readonly client?: Maybe<ClientTable>;
}

/** Default of `channels`, in both sections. */
export const DEFAULT_CHANNELS: ChannelMode = 'reuse';

/** Default of `websocket.path`. */
const DEFAULT_WEBSOCKET_PATH = '/';

/** Default of `noise.pattern`. */
export const DEFAULT_NOISE_PATTERN = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';

const MAX_INTEGER = 2n ** 63n - 1n;
const TABLE = 'a table';
const ADDRESS = 'a string "host:port"';

const text = (allowed = 'a string') => v.string(allowed);
const flag = () => v.boolean('true or false');
const seconds = () =>
  v.pipe(
    v.bigint('a whole number of seconds, 0 or more, without quotes or a decimal point'),
    v.check((value) => value >= 0n && value <= MAX_INTEGER, 'a whole number from 0 to 2^63-1'),
  );

/** A TOML table; valibot's `object` alone would take arrays and dates too. */
function table<const E extends v.ObjectEntries>(entries: E) {
  return v.pipe(v.custom<Record<string, unknown>>(isTable, TABLE), v.object(entries));
}

/** A table whose keys the user chooses; a Map, so that a service may be called `constructor`. */
function named<S extends v.GenericSchema>(schema: S) {
  return v.pipe(
    v.custom<Record<string, unknown>>(isTable, TABLE),
    v.transform((value) => new Map<string, unknown>(Object.entries(value))),
    v.map(v.string(), schema),
  );
}

/** Whether a parsed TOML value is a table. */
export function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Date);
}

const transport = v.optional(
  table({
    type: v.picklist(['tcp', 'tls', 'noise', 'websocket'], '"tcp", "tls", "noise" or "websocket"'),
    tcp: v.optional(
      table({
        nodelay: v.optional(flag(), true),
        keepalive_secs: v.optional(seconds(), 20n),
        keepalive_interval: v.optional(seconds(), 8n),
        proxy: v.optional(text('a string "socks5://[user:password@]host[:port]" or "http://…"')),
      }),
      {},
    ),
    tls: v.optional(
      table({
        hostname: v.optional(text('a string, the name in the server’s certificate')),
        trusted_root: v.optional(text('a string, the path of a PEM file')),
        pkcs12: v.optional(text('a string, the path of a PKCS#12 file')),
        pkcs12_password: v.optional(text()),
        cert: v.optional(text('a string, the path of a PEM file')),
        key: v.optional(text('a string, the path of a PEM file')),
        client_root: v.optional(text('a string, the path of a PEM file')),
      }),
    ),
    noise: v.optional(
      table({
        pattern: v.optional(
          text('a string such as "Noise_NK_25519_ChaChaPoly_BLAKE2s"'),
          DEFAULT_NOISE_PATTERN,
        ),
        local_private_key: v.optional(text('a string, 32 bytes in Base64')),
        remote_public_key: v.optional(text('a string, 32 bytes in Base64')),
      }),
    ),
    websocket: v.optional(
      table({
        tls: flag(),
        path: v.optional(text('a string such as "/tunnel"'), DEFAULT_WEBSOCKET_PATH),
        headers: v.optional(named(text()), {}),
      }),
    ),
  }),
  { type: 'tcp' },
);

const serviceEntries = {
  type: v.optional(v.picklist(['tcp', 'udp'], '"tcp" or "udp"'), 'tcp'),
  token: v.optional(text()),
  token_file: v.optional(text('a string, the path of a file')),
  nodelay: v.optional(flag()),
};

const sectionEntries = {
  default_token: v.optional(text()),
  default_token_file: v.optional(text('a string, the path of a file')),
  channels: v.optional(v.picklist(['reuse', 'v1'], '"reuse" or "v1"'), DEFAULT_CHANNELS),
  transport,
};

const server = table({
  bind_addr: text(ADDRESS),
  heartbeat_interval: v.optional(seconds(), 30n),
  ...sectionEntries,
  services: v.optional(named(table({ bind_addr: text(ADDRESS), ...serviceEntries })), {}),
});

const client = table({
  remote_addr: text(ADDRESS),
  heartbeat_timeout: v.optional(seconds(), 40n),
  retry_interval: v.optional(seconds(), 1n),
  prefer_ipv6: v.optional(flag(), false),
  ...sectionEntries,
  services: v.optional(
    named(
      table({
        local_addr: text(ADDRESS),
        retry_interval: v.optional(seconds()),
        prefer_ipv6: v.optional(flag()),
        ...serviceEntries,
      }),
    ),
    {},
  ),
});

/** The complete file. */
export const fileSchema: v.GenericSchema<unknown, FileTable> = table({
  server: v.optional(server),
  client: v.optional(client),
});
