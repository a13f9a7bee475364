// Entry of the regression guard: `npm run bench:guard -- COMMIT`. Phases: options, the copy of
// warren at that commit, the load generator, an own network namespace, measure both, judge. Exits
// with 1 when something regressed, and with 2 when nothing was compared.

import { join } from 'node:path';
import { buildLoader, ROOT } from '../load/generator.ts';
import { enterNamespace, isInNamespace } from '../load/machine/namespace.ts';
import { killAllOnExit } from '../load/machine/process.ts';
import type { Peer } from '../load/peers/peer.ts';
import { findWarrenVariant } from '../load/peers/warren.ts';
import { provideCopy, removeCopies } from './copy.ts';
import { measureGuard } from './measure.ts';
import { type GuardOptions, HELP, readGuardOptions } from './options.ts';
import { guardReport, regressions, writeGuardResults } from './print.ts';
import { findCommit, workingTree } from './repository.ts';

/** The one whose speed the others are measured by. */
const ENGINE = 'rust';
/** Tells this program inside the namespace which commit was found outside. */
const COMMIT = 'WARREN_GUARD_COMMIT';

/** Only what every copy knows: no settings that an older one would refuse. */
function build(name: string, cli: string): Peer {
  const peer = findWarrenVariant({ name, cli, env: { WARREN_ENGINE: ENGINE } });
  if (typeof peer === 'string') throw new Error(peer);
  return peer;
}

async function guard(options: GuardOptions): Promise<number> {
  // HEAD may be another commit inside the namespace, if somebody commits meanwhile.
  const named = isInNamespace() ? process.env[COMMIT] : undefined;
  const before = findCommit(named ?? options.revision);
  process.env[COMMIT] = before.sha;
  // Inside the namespace, where there is no network, it is there already.
  const copy = await provideCopy(before);
  await buildLoader();
  const code = await enterNamespace();
  if (code !== undefined) return code;
  const now = workingTree();
  const builds = {
    now: build('working tree', join(ROOT, 'dist/cli.js')),
    before: build(`copy of ${before.short}`, copy.cli),
  };
  const measured = await measureGuard(options, builds);
  const compared = { now, before, options, measured };
  process.stdout.write(`${guardReport(compared).join('\n')}\n`);
  if (options.json !== undefined) writeGuardResults(options.json, compared);
  return regressions(measured).length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const options = readGuardOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (options === 'clean') {
    process.stdout.write(`guard: removed ${removeCopies()}\n`);
    return 0;
  }
  killAllOnExit();
  return await guard(options);
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`guard: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
