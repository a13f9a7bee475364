/** The real rathole 0.5.0, where there is one: `WARREN_RATHOLE`, else on PATH. */
import { spawnSync } from 'node:child_process';
import { RATHOLE_PROGRAM } from './rathole-tunnel.ts';

const VERSION = '0.5.0';

function find(): string | undefined {
  const program = RATHOLE_PROGRAM;
  const { stdout, status } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  if (status !== 0) {
    process.stderr.write(`skipped: no rathole binary (${program}; set WARREN_RATHOLE)\n`);
    return undefined;
  }
  if (!stdout.includes(VERSION)) {
    process.stderr.write(`skipped: ${program} is not rathole ${VERSION}\n`);
    return undefined;
  }
  return program;
}

/** Undefined when it is missing; the reason was printed then. */
export const RATHOLE: string | undefined = find();
