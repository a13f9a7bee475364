// nginx's stream module as a plain relay, which the package of a distribution may load at run time.

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDescriptorLimit } from '../machine/memory.ts';
import type { Command } from '../machine/process.ts';
import { removeDirectory, scratchDirectory } from '../machine/process.ts';
import type { Peer } from './peer.ts';
import { type Leg, plainHops } from './plain-hops.ts';
import { findDaemon, notFound, outputOf } from './program.ts';

const INSTALL = 'on Debian: apt install nginx-light libnginx-mod-stream';
const MODULE = 'ngx_stream_module.so';
const USUAL_MODULES = '/usr/lib/nginx/modules';
/** Both ends of each of the connections of the largest row, and some to spare. */
const CONNECTIONS = 20_480;
/** Without it a visitor who has only finished sending loses the answer. */
const HALF_CLOSE = 'proxy_half_close on;';

export function findNginx(): Peer | string {
  const file = findDaemon('nginx', 'WARREN_NGINX');
  if (file === undefined) {
    return notFound(
      ['WARREN_NGINX'],
      `set WARREN_NGINX to the nginx binary or put it on PATH (${INSTALL})`,
    );
  }
  const about = outputOf(file, '-V');
  const load = loadLines(about);
  const refusal = tryConfig(file, `${head(load)}stream { ${HALF_CLOSE} }\n`);
  if (refusal !== undefined) return `${file} has no usable stream module (${INSTALL}): ${refusal}`;
  return plainHops({
    name: 'nginx',
    version: /nginx version: \S*?\/(\S+)/.exec(about)?.[1] ?? 'unknown',
    config: (legs) => nginxConfig(load, legs),
    command: (config) => command(file, config),
  });
}

/** Its other settings are its defaults; TCP_NODELAY is among them. */
export function nginxConfig(load: string, legs: readonly Leg[]): string {
  const servers = legs.map(
    ({ listen, connect }) => `  server { listen ${listen}; proxy_pass ${connect}; }\n`,
  );
  return `${head(load)}stream {
  ${HALF_CLOSE}
${servers.join('')}}
`;
}

/** One process does it all, so that its CPU time and memory are those of the hop. */
function head(load: string): string {
  const connections = Math.min(CONNECTIONS, readDescriptorLimit());
  return `${load}daemon off;
master_process off;
error_log stderr warn;
events { worker_connections ${connections}; }
`;
}

/** Nothing for a build that has the module within. */
function loadLines(about: string): string {
  const directory = /--modules-path=(\S+)/.exec(about)?.[1] ?? USUAL_MODULES;
  const module = join(directory, MODULE);
  return /--with-stream(?= |$)/m.test(about) || !existsSync(module)
    ? ''
    : `load_module ${module};\n`;
}

/** The packaged place of the pid file is the system's own nginx's, and may be root's. */
function command(file: string, config: string): Command {
  return { file, args: ['-c', config, '-g', `pid ${config}.pid;`] };
}

/** What nginx says against the configuration, if anything. */
function tryConfig(file: string, text: string): string | undefined {
  const directory = scratchDirectory();
  try {
    const config = join(directory, 'nginx.conf');
    writeFileSync(config, text);
    const { args } = command(file, config);
    const { error, status, stderr } = spawnSync(file, ['-t', ...args], { encoding: 'utf8' });
    if (error !== undefined) return error.message;
    return status === 0 ? undefined : stderr.trim();
  } finally {
    removeDirectory(directory);
  }
}
