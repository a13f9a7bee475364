// The programs of others that make load: which of them the rows of a run need, and which are there.

import { spawnSync } from 'node:child_process';
import type { Missing } from '../peers/peer.ts';
import type { Row } from '../rows/row.ts';
import { findProgram } from './find-program.ts';

export type ToolName = 'iperf3' | 'wrk';

export interface Tool {
  readonly name: ToolName;
  readonly version: string;
}

const VERSION_LIMIT_MS = 10_000;

interface Known {
  /** Where its version is in what it says to `--version`. */
  readonly version: RegExp;
  readonly install: string;
}

const KNOWN: Readonly<Record<ToolName, Known>> = {
  iperf3: {
    version: /^iperf (\S+)/m,
    install: 'install iperf3 (Debian: apt install iperf3) or put it on PATH',
  },
  wrk: {
    version: /^wrk (\S+)/m,
    install: 'install wrk (Debian: apt install wrk) or put it on PATH',
  },
};

/** Finds what the rows need; rows whose program is missing are named with the reason. */
export function prepareTools(
  rows: readonly Row[],
  env: NodeJS.ProcessEnv = process.env,
): { ready: Map<ToolName, Tool>; missing: Missing[] } {
  const ready = new Map<ToolName, Tool>();
  const missing: Missing[] = [];
  for (const name of new Set(rows.flatMap(({ needs }) => needs ?? []))) {
    const file = findProgram(name, undefined, env);
    if (file === undefined) {
      const names = rows.filter(({ needs }) => needs === name).map((row) => row.name);
      missing.push({ name: names.join(', '), reason: KNOWN[name].install });
    } else {
      ready.set(name, { name, version: versionOf(file, KNOWN[name]) });
    }
  }
  return { ready, missing };
}

function versionOf(file: string, { version }: Known): string {
  const { stdout, stderr } = spawnSync(file, ['--version'], {
    encoding: 'utf8',
    timeout: VERSION_LIMIT_MS,
  });
  return version.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

/** How long these programs run when a row asks for so many seconds: they know only whole ones. */
export function wholeSeconds(seconds: number): number {
  return Math.max(1, Math.round(seconds));
}
