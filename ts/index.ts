/** The library: `import { Server, Client } from 'warren'`. See docs/library.md. */
export { Client } from './client/client.ts';
export type {
  ClientConfig,
  ClientServiceConfig,
  Config,
  HostPort,
  ServerConfig,
  ServerServiceConfig,
} from './config/config.ts';
export type { Diagnostic } from './config/diagnostics.ts';
export { ConfigError } from './config/diagnostics.ts';
export { type LoadedConfig, loadConfig } from './config/load.ts';
export type {
  ClientOptions,
  ClientServiceOptions,
  ServerOptions,
  ServerServiceOptions,
  TransportOptions,
} from './config/options.ts';
export { Secret } from './config/secret.ts';
export type { RoleOptions } from './control/role.ts';
export type { CloseOptions, Engine, EngineName } from './engine/engine.ts';
export type { EndReason } from './engine/reason.ts';
export type { EngineFacts, RejectedEngine } from './engine/select.ts';
export type { SocketAddress } from './engine/spec.ts';
export type { EngineStats, ServiceStats } from './engine/stats.ts';
export { ERROR_CODES, type ErrorCode, WarrenError } from './errors.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type { Logger } from './log.ts';
export { Server } from './server/server.ts';
