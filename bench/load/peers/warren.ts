// Builds of warren as peers: the one of this repository or of WARREN_CLI with each engine, and
// whatever else the command line names.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT } from '../generator.ts';
import type { Command } from '../machine/process.ts';
import type { Variant } from '../options.ts';
import { ratholeConfigs } from './configs.ts';
import type { Peer } from './peer.ts';
import type { Settings } from './transport.ts';

const BUILT = join(ROOT, 'dist/cli.js');
/** The log names the engine, and what visitors are left at the end. */
const LOG = { WARREN_LOG: 'info', WARREN_LOG_FORMAT: 'json' };

function defaultCli(): string {
  return resolve(process.env['WARREN_CLI'] ?? BUILT);
}

/**
 * The peer, or the reason why it is not there. With `v1` its ends talk as stock peers do. It takes
 * part in all rows, or in `rows`.
 */
export function findWarren(
  name: string,
  {
    engine,
    v1 = false,
    rows,
  }: { readonly engine: string; readonly v1?: boolean; readonly rows?: readonly string[] },
): Peer | string {
  // Said also where it is the default: its numbers must not stand under the wrong name.
  const settings = { channels: v1 ? 'v1' : 'reuse' };
  const peer = warren(name, defaultCli(), { WARREN_ENGINE: engine }, settings);
  if (typeof peer === 'string') return peer;
  return { ...peer, ...(v1 ? { v1 } : {}), ...(rows === undefined ? {} : { rows }) };
}

/** A further build or setting: `--peer`. */
export function findWarrenVariant({ name, cli, env }: Variant): Peer | string {
  return warren(name, cli === '' ? defaultCli() : resolve(cli), env);
}

function warren(
  name: string,
  cli: string,
  env: Readonly<Record<string, string>>,
  settings: Settings = {},
): Peer | string {
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
        const whole = { ...transport, server: { ...server, ...warrenServer } };
        return ratholeConfigs(ports, whole, settings);
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
