// Entry of the benchmark runner. Phases: options, build the load generator, move into an own
// network namespace, find the peers, measure in interleaved rounds, report.

import { printReport, writeResults } from '../report/print.ts';
import { buildLoader, startSink } from './generator.ts';
import { openLongWay } from './machine/long-way.ts';
import { describeMachine } from './machine/machine.ts';
import { enterNamespace } from './machine/namespace.ts';
import { killAllOnExit } from './machine/process.ts';
import { nearSite, type Site } from './machine/site.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { findPeers } from './peers/peers.ts';
import { LONG_WAY, prepareTransports } from './peers/transport.ts';
import { keepRows, selectRows } from './rows/rows.ts';
import { runRounds } from './schedule.ts';

async function measure(options: Options): Promise<void> {
  const selected = selectRows(options);
  const rows = selected.flatMap(({ first, shuffled }) => [...first, ...shuffled]);
  const transports = prepareTransports(new Set(rows.map(({ transport }) => transport)));
  const longWay = transports.ready.has(LONG_WAY) ? await tryLongWay() : undefined;
  if (typeof longWay === 'string') {
    transports.ready.delete(LONG_WAY);
    transports.missing.push({ name: `transport ${LONG_WAY}`, reason: longWay });
  }
  const stages = keepRows(selected, ({ transport }) => transports.ready.has(transport));
  const { found, missing } = findPeers(options.peers, options.variants);
  const sink = await startSink();
  const machine = await describeMachine(sink.addr);
  const results = await runRounds({
    options,
    stages,
    transports: transports.ready,
    peers: found,
    site: nearSite(sink),
    longWay: typeof longWay === 'string' ? undefined : longWay,
  });
  const started = found.filter(({ name }) => results.rows.some(({ samples }) => name in samples));
  const document = {
    machine,
    options,
    peers: started.map(({ name, version, isWarren }) => ({
      name,
      version,
      isWarren,
      engine: results.engines.get(name) ?? null,
    })),
    missing: [...missing, ...transports.missing, ...results.dropped],
    seconds: results.seconds,
    disturbed: results.disturbed,
    failures: results.failures,
    rows: results.rows,
  };
  printReport(document);
  process.stdout.write(`\nJSON: ${writeResults(document)}\n`);
}

/** The way, or the reason why there is none. */
async function tryLongWay(): Promise<Site | string> {
  try {
    return await openLongWay();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  killAllOnExit();
  await buildLoader();
  const code = await enterNamespace();
  if (code !== undefined) return code;
  await measure(options);
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
