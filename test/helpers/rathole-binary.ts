/** The real rathole 0.5.0, where there is one: `WARREN_RATHOLE`, else on PATH. */
import { spawnSync } from 'node:child_process';
import { RATHOLE_PROGRAM } from './rathole-tunnel.ts';

const VERSION = '0.5.0';

export function findRathole(): { readonly program: string } | { readonly reason: string } {
  const program = RATHOLE_PROGRAM;
  const { stdout, status } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  if (status !== 0) return { reason: `no rathole binary (${program}; set WARREN_RATHOLE)` };
  if (!stdout.includes(VERSION)) return { reason: `${program} is not rathole ${VERSION}` };
  return { program };
}

const found = findRathole();

/** Undefined when it is missing. */
export const RATHOLE: string | undefined = 'program' in found ? found.program : undefined;
