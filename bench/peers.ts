// How each tunnel is found and started. A missing one is named with its reason and left out;
// `direct` is the sink without any tunnel.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from './load.ts';
import type { Command } from './process.ts';

export interface Ports {
  readonly control: number;
  readonly tcp: number;
  readonly udp: number;
  readonly sink: number;
}

/** A tunnel of two processes. `configs` gives the text of the server's and client's file. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** `undefined` for `direct`. */
  readonly tunnel:
    | {
        configs(ports: Ports): { readonly server: string; readonly client: string };
        server(config: string): Command;
        client(config: string): Command;
      }
    | undefined;
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}

const NAMES = ['direct', 'warren', 'rathole', 'frp'] as const;
type Name = (typeof NAMES)[number];

/** Finds the named peers, or all. @throws Error for a name it does not know. */
export function findPeers(names: readonly string[]): { found: Peer[]; missing: Missing[] } {
  const unknown = names.find((name) => !NAMES.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`unknown peer ${unknown}; known: ${NAMES.join(', ')}`);
  const wanted = NAMES.filter((name) => names.length === 0 || names.includes(name));
  const found: Peer[] = [];
  const missing: Missing[] = [];
  for (const name of wanted) {
    const peer = FINDERS[name]();
    if (typeof peer === 'string') missing.push({ name, reason: peer });
    else found.push(peer);
  }
  return { found, missing };
}

/** Each gives the peer, or the reason why it is not there. */
const FINDERS: Readonly<Record<Name, () => Peer | string>> = {
  direct: () => ({ name: 'direct', version: '', tunnel: undefined }),
  warren: findWarren,
  rathole: findRathole,
  frp: findFrp,
};

function findWarren(): Peer | string {
  const built = join(ROOT, 'dist/cli.js');
  const { WARREN_CLI: cli = built } = process.env;
  if (!existsSync(cli)) return `${cli} is not there: run \`npm run build\` first`;
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const version = /"version": *"([^"]+)"/.exec(manifest)?.[1] ?? 'unknown';
  const command =
    (side: string) =>
    (config: string): Command => ({
      file: process.execPath,
      args: [cli, side, config],
    });
  return {
    name: 'warren',
    // The repository's commit says nothing about a build from elsewhere.
    version: cli === built ? version : `built elsewhere: ${cli}`,
    tunnel: { configs: ratholeConfigs, server: command('--server'), client: command('--client') },
  };
}

function findRathole(): Peer | string {
  const file = findProgram('WARREN_RATHOLE', 'rathole');
  if (file === undefined) return 'set WARREN_RATHOLE to the rathole binary or put it on PATH';
  const command =
    (side: string) =>
    (config: string): Command => ({
      file,
      args: [side, config],
      env: { RUST_LOG: 'warn' },
    });
  return {
    name: 'rathole',
    version: /Build Version:\s*(\S+)/.exec(versionOutput(file))?.[1] ?? 'unknown',
    tunnel: { configs: ratholeConfigs, server: command('--server'), client: command('--client') },
  };
}

function findFrp(): Peer | string {
  const server = findProgram('WARREN_FRPS', 'frps');
  const client = findProgram('WARREN_FRPC', 'frpc');
  if (server === undefined || client === undefined) {
    return 'set WARREN_FRPS and WARREN_FRPC to the frp binaries or put frps and frpc on PATH';
  }
  return {
    name: 'frp',
    version: versionOutput(server).trim() || 'unknown',
    tunnel: {
      configs: frpConfigs,
      server: (config) => ({ file: server, args: ['-c', config] }),
      client: (config) => ({ file: client, args: ['-c', config] }),
    },
  };
}

function findProgram(variable: string, name: string): string | undefined {
  const named = process.env[variable];
  const { PATH: path = '' } = process.env;
  const candidates = named
    ? [named]
    : path.split(delimiter).map((directory) => join(directory, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function versionOutput(file: string): string {
  return spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout ?? '';
}

/** One file format for rathole and warren, and the same settings: plain TCP, nodelay. */
function ratholeConfigs(ports: Ports): { server: string; client: string } {
  const server = `[server]
bind_addr = "127.0.0.1:${ports.control}"
default_token = "bench"
[server.transport]
type = "tcp"
[server.transport.tcp]
nodelay = true
[server.services.tcp]
bind_addr = "127.0.0.1:${ports.tcp}"
nodelay = true
[server.services.udp]
type = "udp"
bind_addr = "127.0.0.1:${ports.udp}"
`;
  const client = `[client]
remote_addr = "127.0.0.1:${ports.control}"
default_token = "bench"
[client.transport]
type = "tcp"
[client.transport.tcp]
nodelay = true
[client.services.tcp]
local_addr = "127.0.0.1:${ports.sink}"
nodelay = true
[client.services.udp]
type = "udp"
local_addr = "127.0.0.1:${ports.sink}"
`;
  return { server, client };
}

/** frp's faster mode here: no multiplexing, a pool of 8 as rathole has, no TLS. */
function frpConfigs(ports: Ports): { server: string; client: string } {
  const server = `bindAddr = "127.0.0.1"
bindPort = ${ports.control}
proxyBindAddr = "127.0.0.1"
transport.tcpMux = false
transport.maxPoolCount = 8
log.level = "warn"
`;
  const proxy = (type: 'tcp' | 'udp'): string => `[[proxies]]
name = "${type}"
type = "${type}"
localIP = "127.0.0.1"
localPort = ${ports.sink}
remotePort = ${ports[type]}
`;
  const client = `serverAddr = "127.0.0.1"
serverPort = ${ports.control}
transport.tcpMux = false
transport.poolCount = 8
transport.tls.enable = false
log.level = "warn"
${proxy('tcp')}${proxy('udp')}`;
  return { server, client };
}
