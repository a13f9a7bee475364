// Entry of the leak check: `npm run bench:leak`. Exits with 1 when an end keeps something.

import { parseArgs } from 'node:util';
import { buildLoader, startSink } from '../load/generator.ts';
import { enterNamespace } from '../load/machine/namespace.ts';
import { killAllOnExit } from '../load/machine/process.ts';
import { nearSite } from '../load/machine/site.ts';
import { readVariants, type Variant, words } from '../load/options.ts';
import { findPeers } from '../load/peers/peers.ts';
import { renderTable } from '../report/table.ts';
import { checkLeaks, type LeakPlan, type LeakResult } from './check.ts';
import type { EndState } from './end-state.ts';

const HELP = `usage: node bench/dist/leak/main.js [--peers NAME[,NAME]] [--peer NAME=CLI[,VARIABLE=VALUE]...]...
          [--visitors N] [--rate N] [--aborted N] [--laps N] [--plant N]
  --peers     of warren (default; or rust, rust-v1, addon, typescript), rathole, frp
  --visitors  short visitors of a lap, default 50000, at --rate a second, default 5000
  --aborted   visitors of a lap that end with RST, default 500
  --laps      laps in which memory must grow beyond the bound to count as a leak, default 3
  --plant     visitors that are kept open on purpose: the check must then fail
`;

interface LeakOptions {
  readonly peers: readonly string[];
  readonly variants: readonly Variant[];
  readonly plan: LeakPlan;
}

function readLeakOptions(): LeakOptions | 'help' {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: 'warren' },
      peer: { type: 'string', multiple: true, default: [] },
      visitors: { type: 'string', default: '50000' },
      rate: { type: 'string', default: '5000' },
      aborted: { type: 'string', default: '500' },
      laps: { type: 'string', default: '3' },
      plant: { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const count = (name: 'visitors' | 'rate' | 'aborted' | 'laps' | 'plant', least = 1): number => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number >= least) return number;
    throw new Error(`--${name} must be a whole number from ${least}`);
  };
  const plan = {
    visitors: count('visitors'),
    rate: count('rate'),
    aborted: count('aborted'),
    laps: count('laps'),
    plant: count('plant', 0),
  };
  return { peers: words(values.peers), variants: readVariants(values.peer), plan };
}

const MIB = 1024;

function stateLines({ ends }: LeakResult): string[] {
  const lines = ends.flatMap(({ end, floor, laps, after }) => {
    const line = (name: string, of: (state: EndState) => number | string) => ({
      name: `  ${end} ${name}`,
      cells: [floor, ...laps, after].map((state) => String(of(state))),
    });
    const kinds = [floor, after].flatMap(({ descriptors }) => Object.keys(descriptors));
    return [
      ...[...new Set(kinds)].map((kind) => line(kind, (state) => state.descriptors[kind] ?? 0)),
      line('tunnel connections', ({ connections }) => connections),
      line('threads', ({ threads }) => threads),
      line('RSS MiB', ({ rssKib }) => (rssKib / MIB).toFixed(2)),
      line('private MiB', ({ privateKib }) => (privateKib / MIB).toFixed(2)),
    ];
  });
  const laps = ends[0]?.laps.slice(1).map((_, index) => `lap ${index + 1}`) ?? [];
  return renderTable({ name: '', cells: ['start', 'warm', ...laps, 'quiet'] }, lines);
}

async function check({ peers, variants, plan }: LeakOptions): Promise<number> {
  const { found, missing } = findPeers(peers, variants);
  for (const { name, reason } of missing) process.stdout.write(`left out: ${name}: ${reason}\n`);
  const site = nearSite(await startSink());
  let code = found.length > 0 ? 0 : 1;
  for (const peer of found.filter(({ tunnel }) => tunnel !== undefined)) {
    try {
      const result = await checkLeaks(peer, site, plan);
      const { faults, loads, boundKib, floorMs } = result;
      const verdict = faults.map((fault) => `  FAILED ${fault}`);
      const lines = [
        `${peer.name}: ${plan.visitors} short visitors and ${plan.aborted} aborted ones a lap; memory may grow by ${boundKib} KiB`,
        ...loads.map((load) => `  ${load}`),
        ...stateLines(result),
        `  ${(floorMs / 1000).toFixed(1)} s after the last load until both ends were at rest`,
        ...(verdict.length > 0 ? verdict : ['  passed']),
      ];
      process.stdout.write(`${lines.join('\n')}\n\n`);
      if (faults.length > 0) code = 1;
    } catch (error) {
      process.stdout.write(
        `${peer.name}: FAILED ${error instanceof Error ? error.message : String(error)}\n\n`,
      );
      code = 1;
    }
  }
  return code;
}

async function main(): Promise<number> {
  const options = readLeakOptions();
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  killAllOnExit();
  await buildLoader();
  return (await enterNamespace()) ?? (await check(options));
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
