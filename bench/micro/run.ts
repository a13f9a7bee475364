// A run: every suite is checked, then every suite is timed. A suite is open only while it is used.

import { checkSuite, type Wrong } from './check.ts';
import type { FoundEngine } from './engines.ts';
import { type Figures, type Measured, related } from './figures.ts';
import type { Suite } from './suite.ts';
import { timeEngines } from './time-engines.ts';
import { timePure } from './time-pure.ts';

export interface SuiteFigures {
  readonly suite: Suite;
  readonly figures: readonly Figures[];
}

export interface RunOptions {
  readonly suites: readonly Suite[];
  readonly engines: readonly FoundEngine[];
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onStart: (suite: Suite) => void;
  readonly onSuite: (measured: SuiteFigures) => void;
}

/**
 * Nothing is timed where a single result is wrong.
 *
 * @throws Error that names the suite and the task which failed under way, and whatever `signal`
 * says once it fires.
 */
export async function runSuites(options: RunOptions): Promise<Wrong[]> {
  const { suites, engines, seconds, signal, onStart, onSuite } = options;
  const wrong: Wrong[] = [];
  for (const suite of suites) {
    wrong.push(...(await checkSuite(suite, engines, signal)));
    signal.throwIfAborted();
  }
  if (wrong.length > 0) return wrong;
  for (const suite of suites) {
    onStart(suite);
    const measured = await timeSuite(suite, engines, seconds, signal);
    onSuite({ suite, figures: related(measured) });
  }
  return [];
}

async function timeSuite(
  suite: Suite,
  engines: readonly FoundEngine[],
  seconds: number,
  signal: AbortSignal,
): Promise<Measured[]> {
  try {
    if (suite.method === 'tinybench') return await timePure(suite.tasks(), seconds, signal);
    const open = await suite.open(engines);
    try {
      return await timeEngines(open.tasks, seconds, signal);
    } finally {
      await open.close();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new Error(`${suite.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
