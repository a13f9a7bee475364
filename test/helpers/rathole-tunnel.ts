/**
 * A whole tunnel of two real processes, each end rathole or warren, from one description. The
 * configuration language is the same, so both get the same text.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon, logLine, startWarren } from './process-daemon.ts';
import { freePort } from './process-ports.ts';
import { Recorder } from './process-recorder.ts';
import { type Resources, within } from './process-resources.ts';

export type Program = 'warren' | 'rathole';

export interface TunnelService {
  readonly type?: 'tcp' | 'udp';
  /** Port of the local service. */
  readonly local: number;
  /** Overrides on one end. */
  readonly serverType?: 'tcp' | 'udp';
  readonly clientToken?: string;
  /** Left out of one end. */
  readonly missingAt?: 'server' | 'client';
  /** Its public port; default: a free one. */
  readonly port?: number;
}

export interface TunnelOptions {
  readonly server: Program;
  readonly client: Program;
  readonly services: Readonly<Record<string, TunnelService>>;
  /** Lines of the section, such as `heartbeat_interval = 1`. */
  readonly serverKeys?: string;
  readonly clientKeys?: string;
  /** The client dials through a recorder. */
  readonly recorded?: boolean;
  /** Where the server listens for the client; default: a free port of 127.0.0.1. */
  readonly bindHost?: string;
  readonly controlPort?: number;
  /** What the client is told of that; default: 127.0.0.1 and the port. */
  readonly remote?: (port: number) => string;
  /** More environment of warren. */
  readonly serverEnv?: Readonly<Record<string, string>>;
  readonly clientEnv?: Readonly<Record<string, string>>;
  /** More of warren's command line. */
  readonly flags?: readonly string[];
  /** Which services come up; default: all. */
  readonly awaited?: readonly string[];
}

/** The binary, whether it is there or not: see rathole-binary.ts. */
export const RATHOLE_PROGRAM: string = process.env['WARREN_RATHOLE'] ?? 'rathole';

const STARTS = 3;
const TOKEN = 'interop';

export class Tunnel {
  readonly controlPort: number;
  readonly serverFile: string;
  readonly clientFile: string;
  server: Daemon;
  client: Daemon;
  readonly recorder: Recorder | undefined;
  readonly #options: TunnelOptions;
  readonly #resources: Resources;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(
    resources: Resources,
    options: TunnelOptions,
    controlPort: number,
    recorder: Recorder | undefined,
    ports: ReadonlyMap<string, number>,
    folder: string,
  ) {
    this.controlPort = controlPort;
    this.recorder = recorder;
    this.#options = options;
    this.#resources = resources;
    this.#ports = ports;
    this.serverFile = join(folder, 'server.toml');
    this.clientFile = join(folder, 'client.toml');
    writeFileSync(this.serverFile, serverToml(options, controlPort, ports));
    writeFileSync(this.clientFile, clientToml(options, recorder?.port ?? controlPort));
    this.server = this.#spawn('server');
    this.client = this.#spawn('client');
  }

  /**
   * Resolves when the awaited services can be visited. A port that was taken meanwhile: once more.
   */
  static async open(resources: Resources, options: TunnelOptions): Promise<Tunnel> {
    for (let start = 1; ; start++) {
      const ports = new Map<string, number>();
      for (const [name, { port }] of Object.entries(options.services)) {
        ports.set(name, port ?? (await freePort()));
      }
      const folder = mkdtempSync(join(tmpdir(), 'warren-interop-'));
      resources.defer(() => rmSync(folder, { recursive: true, force: true }));
      const port = options.controlPort ?? (await freePort());
      const recorder = options.recorded ? await Recorder.open(resources, port) : undefined;
      const tunnel = new Tunnel(resources, options, port, recorder, ports, folder);
      try {
        await tunnel.up();
        return tunnel;
      } catch (error) {
        const isClash = tunnel.server.lines.some((line) => line.includes('in use'));
        if (!isClash || start === STARTS) throw error;
        await tunnel.close();
      }
    }
  }

  port(service: string): number {
    const port = this.#ports.get(service);
    if (port === undefined) throw new Error(`no service ${service}`);
    return port;
  }

  /** Every awaited service is bound on the server and connected on the client. */
  async up(serverFrom = 0, clientFrom = 0): Promise<void> {
    const { awaited = Object.keys(this.#options.services) } = this.#options;
    await Promise.all(
      awaited.flatMap((name) => [this.bound(name, serverFrom), this.connected(name, clientFrom)]),
    );
  }

  /** The server's own word that the service's public address is there. */
  bound(name: string, from = 0): Promise<unknown> {
    const match: (line: string) => unknown =
      this.#options.server === 'warren'
        ? logLine('service bound', { service: name })
        : // Its line ends with the service's public address.
          (line: string) =>
            line.includes(`_pool: rathole::server: Listening at 127.0.0.1:${this.port(name)}`);
    return this.server.waitFor(`service ${name} bound`, match, from);
  }

  connected(name: string, from = 0): Promise<unknown> {
    const match: (line: string) => unknown =
      this.#options.client === 'warren'
        ? logLine('service connected', { service: name })
        : (line: string) =>
            line.includes(`{service=${name}}`) && line.includes('Control channel established');
    return this.client.waitFor(`service ${name} connected`, match, from);
  }

  /** A second client on the same file. */
  another(): Daemon {
    return this.#spawn('client');
  }

  /** The table of one more tcp service, for either file. */
  table(role: 'server' | 'client', name: string, local: number): string {
    const addr =
      role === 'server' ? 'bind_addr = "127.0.0.1:0"' : `local_addr = "127.0.0.1:${local}"`;
    return `[${role}.services.${name}]\n${addr}\n`;
  }

  /** SIGKILL and a new process on the same file. */
  async restart(role: 'server' | 'client'): Promise<void> {
    await this[role].kill();
    this[role] = this.#spawn(role);
  }

  async close(): Promise<void> {
    await within(Promise.all([this.client.kill(), this.server.kill()]), 'the end of a tunnel');
  }

  #spawn(role: 'server' | 'client'): Daemon {
    const file = role === 'server' ? this.serverFile : this.clientFile;
    const program = this.#options[role];
    const name = `${program} ${role}`;
    if (program === 'warren') {
      return startWarren(this.#resources, name, file, {
        level: 'debug',
        ...(this.#options.flags === undefined ? {} : { flags: this.#options.flags }),
        env: this.#options[`${role}Env`] ?? {},
      });
    }
    return startRathole(this.#resources, name, file);
  }
}

export function startRathole(resources: Resources, name: string, file: string): Daemon {
  const env = { ...process.env, RUST_LOG: 'info', RUST_BACKTRACE: '0' };
  return Daemon.start(resources, name, [RATHOLE_PROGRAM, file], { env });
}

function serverToml(
  { services, serverKeys = '', bindHost = '127.0.0.1' }: TunnelOptions,
  controlPort: number,
  ports: ReadonlyMap<string, number>,
): string {
  const tables = Object.entries(services)
    .filter(([, { missingAt }]) => missingAt !== 'server')
    .map(([name, { type = 'tcp', serverType = type }]) =>
      [
        `[server.services.${name}]`,
        `type = "${serverType}"`,
        `bind_addr = "127.0.0.1:${ports.get(name)}"`,
      ].join('\n'),
    );
  return `[server]
bind_addr = "${bindHost}:${controlPort}"
default_token = "${TOKEN}"
${serverKeys}
[server.services]
${tables.join('\n\n')}
`;
}

function clientToml(options: TunnelOptions, remotePort: number): string {
  const { services, clientKeys = '', remote = (port) => `127.0.0.1:${port}` } = options;
  const tables = Object.entries(services)
    .filter(([, { missingAt }]) => missingAt !== 'client')
    .map(([name, { type = 'tcp', clientToken, local }]) =>
      [
        `[client.services.${name}]`,
        `type = "${type}"`,
        `local_addr = "127.0.0.1:${local}"`,
        ...(clientToken === undefined ? [] : [`token = "${clientToken}"`]),
      ].join('\n'),
    );
  return `[client]
remote_addr = "${remote(remotePort)}"
default_token = "${TOKEN}"
${clientKeys}
[client.services]
${tables.join('\n\n')}
`;
}
