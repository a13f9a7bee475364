/**
 * The checked configuration: what the control plane works with after load.
 *
 * Everything here is final: defaults are filled in, tokens are resolved, addresses are split,
 * seconds are milliseconds. Nothing here knows TOML; `load.ts` makes it from a file, `options.ts`
 * from a caller's object. Keys and defaults: wire-v1 section 5.1, rathole 0.5.0.
 */
import type { TlsFiles } from '../credentials/tls-files.ts';
import type { Secret } from './secret.ts';

/** Which end of the tunnel a process is; also the name of its section of the file. */
export type Role = 'server' | 'client';

/** A host (name or literal without brackets) and a port, 0..65535. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export type ServiceType = 'tcp' | 'udp';
export type TransportType = 'tcp' | 'tls' | 'noise' | 'websocket';

/**
 * Of data channels towards peers that can do both: `reuse` carries visitor after visitor
 * (docs/wire.md), `v1` one each. Towards all others every byte is that of wire v1.
 */
export type ChannelMode = 'reuse' | 'v1';

/** `transport.tcp`: options of the TCP socket below every transport. */
export interface TcpConfig {
  readonly nodelay: boolean;
  readonly keepaliveSecs: number;
  readonly keepaliveIntervalSecs: number;
  /** Client only. Its printed form masks the credentials. */
  readonly proxy: ProxyConfig | undefined;
}

export interface ProxyConfig {
  readonly scheme: 'socks5' | 'http';
  readonly host: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
}

export interface TlsConfig {
  readonly hostname: string | undefined;
  /** Paths are absolute, and those of files that this role does not use are not there. */
  readonly trustedRoot: string | undefined;
  readonly clientRoot: string | undefined;
  readonly pkcs12: string | undefined;
  readonly pkcs12Password: Secret | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** What the files held when the configuration was loaded, or re-read since. */
  readonly files: TlsFiles;
}

export interface NoiseConfig {
  readonly pattern: string;
  readonly localPrivateKey: Secret | undefined;
  readonly remotePublicKey: string | undefined;
}

export interface WebsocketConfig {
  readonly tls: boolean;
  readonly path: string;
  /** Client only; values may be keys to a gateway. */
  readonly headers: ReadonlyMap<string, Secret>;
}

export interface TransportConfig {
  readonly type: TransportType;
  readonly tcp: TcpConfig;
  readonly tls: TlsConfig | undefined;
  readonly noise: NoiseConfig | undefined;
  readonly websocket: WebsocketConfig | undefined;
}

export interface ServerServiceConfig {
  readonly name: string;
  readonly type: ServiceType;
  readonly bindAddr: HostPort;
  readonly token: Secret;
  /** Undefined: as the transport's. */
  readonly nodelay: boolean | undefined;
}

export interface ServerConfig {
  readonly bindAddr: HostPort;
  /** 0: no heartbeats. */
  readonly heartbeatIntervalMs: number;
  readonly channels: ChannelMode;
  readonly transport: TransportConfig;
  readonly services: ReadonlyMap<string, ServerServiceConfig>;
}

export interface ClientServiceConfig {
  readonly name: string;
  readonly type: ServiceType;
  readonly localAddr: HostPort;
  readonly token: Secret;
  readonly nodelay: boolean | undefined;
  /** Cap of the reconnect delay. */
  readonly retryIntervalMs: number;
  /** Try IPv6 addresses of `localAddr` first. */
  readonly preferIpv6: boolean;
}

export interface ClientConfig {
  readonly remoteAddr: HostPort;
  /** 0: no supervision. */
  readonly heartbeatTimeoutMs: number;
  readonly channels: ChannelMode;
  /** Try IPv6 addresses of `remoteAddr` first. */
  readonly preferIpv6: boolean;
  readonly transport: TransportConfig;
  readonly services: ReadonlyMap<string, ClientServiceConfig>;
}

/** At least one section is there. */
export interface Config {
  readonly server: ServerConfig | undefined;
  readonly client: ClientConfig | undefined;
}
