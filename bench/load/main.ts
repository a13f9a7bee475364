// Entry of the benchmark runner. Phases: options, build the load generator, move into an own
// network namespace, find the peers, measure in interleaved rounds, report.

import type { Document } from '../report/document.ts';
import { renderTable } from '../report/table.ts';
import { terminalReport } from '../report/terminal.ts';
import { verdicts } from '../report/verdicts.ts';
import { writeResults } from '../report/write.ts';
import { buildLoader, startSink } from './generator.ts';
import { openLongWay } from './machine/long-way.ts';
import { describeMachine } from './machine/machine.ts';
import { enterNamespace } from './machine/namespace.ts';
import { killAllOnExit } from './machine/process.ts';
import { nearSite, type Site } from './machine/site.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { findPeers, KNOWN } from './peers/peers.ts';
import { LONG_WAY, prepareTransports } from './peers/transport.ts';
import { keepRows, ROWS, rowsOf, selectRows } from './rows/rows.ts';
import { assertSomeMeet, runRounds } from './schedule.ts';
import { startIperf3 } from './tools/iperf3.ts';
import { prepareTools } from './tools/tools.ts';

async function measure(options: Options): Promise<void> {
  const selected = selectRows(options);
  const transports = prepareTransports(new Set(rowsOf(selected).map(({ transport }) => transport)));
  const longWay = transports.ready.has(LONG_WAY) ? await tryLongWay() : undefined;
  if (typeof longWay === 'string') {
    transports.ready.delete(LONG_WAY);
    transports.missing.push({ name: `transport ${LONG_WAY}`, reason: longWay });
  }
  const carried = keepRows(selected, ({ transport }) => transports.ready.has(transport));
  const tools = prepareTools(rowsOf(carried));
  const stages = keepRows(carried, ({ needs }) => needs === undefined || tools.ready.has(needs));
  const { found, missing } = findPeers(options.peers, options.variants, options.level);
  assertSomeMeet(found, rowsOf(stages), [...missing, ...transports.missing, ...tools.missing]);
  const sink = await startSink();
  const machine = await describeMachine(sink.addr, [...tools.ready.values()]);
  const results = await runRounds({
    options,
    stages,
    transports: transports.ready,
    peers: found,
    site: nearSite(sink),
    iperf3: tools.ready.has('iperf3') ? nearSite(sink, await startIperf3()) : undefined,
    longWay: typeof longWay === 'string' ? undefined : longWay,
  });
  const started = found.filter(({ name }) => results.rows.some(({ samples }) => name in samples));
  const peers = started.map(({ name, version, isWarren }) => ({
    name,
    version,
    isWarren,
    engine: results.engines.get(name) ?? null,
  }));
  const measured = ROWS.flatMap(({ name, title, kind, transport, metrics }) => {
    const samples = results.rows.find((row) => row.name === name)?.samples;
    return samples === undefined ? [] : [{ name, title, kind, transport, metrics, samples }];
  });
  const { level, rounds, seconds, transportRounds, transportSeconds, memoryRounds, tries } =
    options;
  const document: Document = {
    machine,
    extent: { level, rounds, seconds, transportRounds, transportSeconds, memoryRounds, tries },
    peers,
    missing: [...missing, ...transports.missing, ...tools.missing, ...results.dropped],
    seconds: results.seconds,
    disturbed: results.disturbed,
    failures: results.failures,
    rows: measured,
    verdicts: verdicts({ peers, rows: measured, failures: results.failures }),
  };
  process.stdout.write(terminalReport(document));
  process.stdout.write(`\nresults.json, report.md and its plots: ${writeResults(document)}\n`);
}

/** All rows and peers, with the level from which on they take part. */
function listing(): string {
  const lines = ROWS.map(({ name, level, title }) => ({
    name: `  ${name}`,
    cells: [level, title],
  }));
  const peers = KNOWN.map(({ name, level, also }) => ({
    name: `  ${also[0] ?? name}`,
    cells: [level, name],
  }));
  return `${['rows', ...renderTable({ name: '', cells: ['from', ''] }, lines), 'peers', ...renderTable({ name: '', cells: ['from', ''] }, peers)].join('\n')}\n`;
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
  if (options === 'help' || options === 'list') {
    process.stdout.write(options === 'help' ? HELP : listing());
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
