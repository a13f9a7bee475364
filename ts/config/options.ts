/**
 * Configuration from a caller's object instead of a file: the same keys in camelCase, the same
 * defaults and the same checks, by mapping onto the file's tables.
 */
import type {
  ChannelMode,
  ClientConfig,
  Role,
  ServerConfig,
  ServiceType,
  TransportType,
} from './config.ts';
import { ConfigError, type Problem, unplaced } from './diagnostics.ts';
import { interpret } from './interpret.ts';
import { optionPath, speakOptions, toRaw } from './option-names.ts';
import { newReport } from './report.ts';
import { nodeAt } from './schema-walk.ts';
import { type FileSources, readWholeFile } from './sources.ts';

export interface TransportOptions {
  type: TransportType;
  tcp?:
    | {
        nodelay?: boolean | undefined;
        keepaliveSecs?: number | undefined;
        keepaliveIntervalSecs?: number | undefined;
        /** Client only: `socks5://…` or `http://…`. */
        proxy?: string | undefined;
      }
    | undefined;
  /** Paths are relative to the working directory. */
  tls?:
    | {
        hostname?: string | undefined;
        trustedRoot?: string | undefined;
        pkcs12?: string | undefined;
        pkcs12Password?: string | undefined;
        cert?: string | undefined;
        key?: string | undefined;
        clientRoot?: string | undefined;
      }
    | undefined;
  noise?:
    | {
        pattern?: string | undefined;
        localPrivateKey?: string | undefined;
        remotePublicKey?: string | undefined;
      }
    | undefined;
  websocket?:
    | {
        tls: boolean;
        path?: string | undefined;
        /** Client only: further headers of the request. */
        headers?: Record<string, string> | undefined;
      }
    | undefined;
}

interface ServiceOptions {
  type?: ServiceType | undefined;
  /** Default: `defaultToken`; one of them must be there. */
  token?: string | undefined;
  nodelay?: boolean | undefined;
}

export interface ServerServiceOptions extends ServiceOptions {
  bindAddr: string;
}

export interface ServerOptions {
  /** Where clients connect: `host:port`. */
  bindAddr: string;
  /** Default 30; 0 sends none. */
  heartbeatIntervalSecs?: number | undefined;
  defaultToken?: string | undefined;
  /** `v1` uses a data channel once, as rathole does, also between two warren peers. */
  channels?: ChannelMode | undefined;
  transport?: TransportOptions | undefined;
  services?: Record<string, ServerServiceOptions> | undefined;
}

export interface ClientServiceOptions extends ServiceOptions {
  localAddr: string;
  retryIntervalSecs?: number | undefined;
  preferIpv6?: boolean | undefined;
}

export interface ClientOptions {
  /** The server: `host:port`. */
  remoteAddr: string;
  /** Default 40; 0 supervises nothing. */
  heartbeatTimeoutSecs?: number | undefined;
  /** Cap of the reconnect delay, default 1. */
  retryIntervalSecs?: number | undefined;
  preferIpv6?: boolean | undefined;
  defaultToken?: string | undefined;
  /** `v1` uses a data channel once, as rathole does, also between two warren peers. */
  channels?: ChannelMode | undefined;
  transport?: TransportOptions | undefined;
  services?: Record<string, ClientServiceOptions> | undefined;
}

/**
 * The checked configuration of a server.
 *
 * @throws WARREN_E_CONFIG with every problem, in the options' own names.
 */
export function serverConfig(options: ServerOptions): ServerConfig {
  return configOf('server', 'ServerOptions', options);
}

/**
 * The checked configuration of a client.
 *
 * @throws WARREN_E_CONFIG with every problem, in the options' own names.
 */
export function clientConfig(options: ClientOptions): ClientConfig {
  return configOf('client', 'ClientOptions', options);
}

/** A path of a program's options is relative to where the program runs. */
const WORKING_DIRECTORY: FileSources = {
  get base() {
    return process.cwd();
  },
  readFile: readWholeFile,
};

interface Roles {
  server: ServerConfig;
  client: ClientConfig;
}

function configOf<R extends Role>(role: R, type: string, options: unknown): Roles[R] {
  const node = nodeAt([role]);
  if (node === undefined) throw new TypeError(`the schema has no ${role}`);
  const report = newReport();
  const section = toRaw(node, options, [role], report);
  const { config, problems } = interpret({ [role]: section }, WORKING_DIRECTORY, undefined);
  const all = [...report.problems, ...problems].map((problem) => toDiagnostic(problem, type));
  const result = config?.[role];
  if (result === undefined || all.some(({ severity }) => severity === 'error')) {
    throw new ConfigError(all.filter(({ severity }) => severity === 'error'));
  }
  // `Config[R]` minus undefined; TypeScript does not resolve it for a generic R.
  return result as Roles[R];
}

function toDiagnostic(problem: Problem, type: string) {
  const isUnknown = problem.message === 'unknown key';
  // An unknown option has only the caller's name; its tables have the file's.
  const key = isUnknown ? unknownPath(problem) : optionPath(problem.path);
  return unplaced(
    {
      ...problem,
      message: speakOptions(problem.message),
      allowed: speakOptions(problem.allowed),
      remedy: speakOptions(problem.remedy),
    },
    type,
    key,
  );
}

function unknownPath(problem: Problem): string {
  const table = optionPath(problem.path.slice(0, -1));
  const name = String(problem.path.at(-1));
  return table === '' ? name : `${table}.${name}`;
}
