// Builds of warren as peers: the one of this repository or of WARREN_CLI with each engine, and
// whatever else the command line names.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT } from './load.ts';
import type { Variant } from './options.ts';
import type { Peer } from './peer.ts';
import { ratholeConfigs } from './peer-configs.ts';
import type { Command } from './process.ts';

const BUILT = join(ROOT, 'dist/cli.js');
/** The log names the engine, and what visitors are left at the end. */
const LOG = { WARREN_LOG: 'info', WARREN_LOG_FORMAT: 'json' };

function defaultCli(): string {
  return resolve(process.env['WARREN_CLI'] ?? BUILT);
}

/** The peer, or the reason why it is not there. */
export function findWarren(name: string, engine: string): Peer | string {
  return warren(name, defaultCli(), { WARREN_ENGINE: engine });
}

/** A further build or setting: `--peer`. */
export function findWarrenVariant({ name, cli, env }: Variant): Peer | string {
  return warren(name, cli === '' ? defaultCli() : resolve(cli), env);
}

function warren(name: string, cli: string, env: Readonly<Record<string, string>>): Peer | string {
  if (!existsSync(cli)) return `${cli} is not there: run \`npm run build\` first`;
  const { WARREN_ENGINE: engine } = { ...process.env, ...env };
  const command =
    (side: string) =>
    (config: string): Command => ({
      file: process.execPath,
      args: [cli, side, config],
      env: { ...LOG, ...env },
    });
  return {
    name,
    version: versionOf(cli, env),
    isWarren: true,
    ...(engine === undefined || engine === '' || engine === 'auto' ? {} : { engine }),
    tunnel: {
      configs: (ports, transport) => {
        const { server, warrenServer } = transport;
        return ratholeConfigs(ports, { ...transport, server: { ...server, ...warrenServer } });
      },
      server: command('--server'),
      client: command('--client'),
      firstPort: 'control',
    },
  };
}

function versionOf(cli: string, env: Readonly<Record<string, string>>): string {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const version = /"version": *"([^"]+)"/.exec(manifest)?.[1] ?? 'unknown';
  const settings = Object.entries(env)
    .filter(([key]) => key !== 'WARREN_ENGINE')
    .map(([key, value]) => `${key}=${value}`);
  // The repository's version and commit say nothing about a build from elsewhere.
  return [cli === BUILT ? version : `built elsewhere: ${cli}`, ...settings].join(' ');
}
