// Entry of the micro benchmarks: options, engines, checks, tables, and the figures as JSON.

import { writeFileSync } from 'node:fs';
import { findEngines } from './engines.ts';
import { describeMachine } from './machine.ts';
import { HELP, type Options, readOptions, selectSuites } from './options.ts';
import { renderFigures, renderHead, renderList, renderTitle } from './print.ts';
import { runSuites, type SuiteFigures } from './run.ts';
import { SUITES } from './suites/suites.ts';

/** 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130;

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** The exit code. */
async function measure(options: Options, signal: AbortSignal): Promise<number> {
  const suites = selectSuites(SUITES, options.only);
  const [machine, engines] = [describeMachine(), findEngines()];
  const { seconds, json } = options;
  print(renderHead(machine, engines));
  const all: SuiteFigures[] = [];
  const wrong = await runSuites({
    suites,
    engines: engines.found,
    seconds,
    signal,
    onStart: (suite) => print(renderTitle(suite)),
    onSuite(measured) {
      all.push(measured);
      print(renderFigures(measured.figures));
    },
  });
  for (const { suite, task, reason } of wrong) {
    process.stderr.write(`bench: wrong result: ${suite}: ${task}: ${reason}\n`);
  }
  if (wrong.length > 0) {
    process.stderr.write('bench: nothing was timed\n');
    return 1;
  }
  if (json !== undefined) {
    const { missing } = engines;
    const found = engines.found.map(({ name, addon = null }) => ({ name, addon }));
    const tables = all.map(({ suite: { name, title, method }, figures: tasks }) => ({
      name,
      title,
      method,
      tasks,
    }));
    const document = { machine, engines: found, missing, seconds, suites: tables };
    writeFileSync(json, `${JSON.stringify(document, null, 2)}\n`);
    print(['', `JSON: ${json}`]);
  }
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === 'help' || options === 'list') {
    print(options === 'help' ? [HELP.trimEnd()] : renderList(SUITES));
    return 0;
  }
  const stop = new AbortController();
  const interrupt = (): void => stop.abort(new Error('interrupted'));
  // Once: who asks a second time does not want to wait for tunnels to close.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  // Nobody reads any more: `| head`.
  process.stdout.once('error', interrupt);
  try {
    return await measure(options, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write('bench: interrupted\n');
    return INTERRUPTED;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
