// The other tunnels, and the bare relay that shows what the machine allows. The programs come from
// the environment or PATH.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LOADER } from '../generator.ts';
import type { Command } from '../machine/process.ts';
import { frpConfigs, ratholeConfigs } from './configs.ts';
import type { Peer } from './peer.ts';
import { LONG_WAY } from './transport.ts';

export function findRathole(): Peer | string {
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
    isWarren: false,
    tunnel: {
      configs: ratholeConfigs,
      server: command('--server'),
      client: command('--client'),
      firstPort: 'control',
    },
  };
}

export function findFrp(name: string, tcpMux: boolean): Peer | string {
  const server = findProgram('WARREN_FRPS', 'frps');
  const client = findProgram('WARREN_FRPC', 'frpc');
  if (server === undefined || client === undefined) {
    return 'set WARREN_FRPS and WARREN_FRPC to the frp binaries or put frps and frpc on PATH';
  }
  return {
    name,
    version: versionOutput(server).trim() || 'unknown',
    isWarren: false,
    transports: ['tcp', LONG_WAY],
    // What multiplexing is about; its bulk is that of one connection.
    ...(tcpMux ? { rows: ['visitors', 'first-byte', 'pingpong'] } : {}),
    tunnel: {
      configs: (ports) => frpConfigs(ports, tcpMux),
      server: (config) => ({ file: server, args: ['-c', config] }),
      client: (config) => ({ file: client, args: ['-c', config] }),
      firstPort: 'control',
    },
  };
}

/** Two plain hops, the first where visitors come: no tunnel, so only rows about passing bytes. */
export function spliceRelay(): Peer {
  const hop = (listen: number, connect: number): Command => ({
    file: LOADER,
    args: ['relay', '--listen', `127.0.0.1:${listen}`, '--connect', `127.0.0.1:${connect}`],
  });
  return {
    name: 'splice-relay',
    version: 'bench/generator',
    isWarren: false,
    transports: ['tcp'],
    rows: ['bulk', 'pingpong', 'requests'],
    tunnel: {
      configs: () => ({ server: '', client: '' }),
      server: (_config, ports) => hop(ports.services[0].port, ports.control),
      client: (_config, ports) => hop(ports.control, ports.services[0].local),
      firstPort: 'visitors',
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
