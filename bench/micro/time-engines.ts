// Times engine against engine with benchmark.js, which takes its samples in cycles of many
// operations each and tests whether two tasks differ. The time is cut into rounds of all tasks in
// random order: what disturbs the machine for a while then disturbs all of them.

import Benchmark from 'benchmark';
import { shuffled } from '../report/stats.ts';
import { type Measured, marginPercent, quantile } from './figures.ts';
import type { EngineTask } from './suite.ts';

const ROUNDS = 4;
/** Of one cycle: long beside a wake-up, and short enough for tens of samples a second. */
const CYCLE_SECONDS = 0.02;
/** Of one round. */
const SAMPLES_MIN = 2;
const WARM_UP_SHARE = 0.25;

/** @throws Error that names the task which failed, and whatever `signal` says once it fires. */
export async function timeEngines(
  tasks: readonly EngineTask[],
  seconds: number,
  signal: AbortSignal,
): Promise<Measured[]> {
  // All before the first is timed: they share code that is not compiled yet.
  for (const task of tasks) await warmUp(task, seconds * WARM_UP_SHARE * 1000, signal);
  const all = new Map<EngineTask, Benchmark>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = shuffled(tasks);
    const benchmarks = await runRound(order, seconds / ROUNDS, signal);
    for (const [at, benchmark] of benchmarks.entries()) {
      const task = order[at];
      const first = task && all.get(task);
      if (first !== undefined) first.stats.sample.push(...benchmark.stats.sample);
      else if (task !== undefined) all.set(task, benchmark);
    }
  }
  const inOrder = tasks.flatMap((task) => all.get(task) ?? []);
  return inOrder.map((benchmark) => measuredOf(benchmark, inOrder[0]));
}

async function warmUp(task: EngineTask, ms: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + ms;
  try {
    while (performance.now() < until && !signal.aborted) await task.run();
  } catch (error) {
    throw failure(task, error);
  }
  signal.throwIfAborted();
}

/** The benchmarks of the tasks, in their order. */
function runRound(
  tasks: readonly EngineTask[],
  seconds: number,
  signal: AbortSignal,
): Promise<Benchmark[]> {
  return new Promise((resolve, reject) => {
    const suite = new Benchmark.Suite();
    const interrupt = (): void => {
      reject(signal.reason);
      suite.abort();
    };
    for (const task of tasks) {
      const fn = (deferred: Benchmark.Deferred): void => {
        const failed = (error: unknown): void => reject(failure(task, error));
        task.run().then(() => deferred.resolve(), failed);
      };
      const options = { maxTime: seconds, minTime: CYCLE_SECONDS, minSamples: SAMPLES_MIN };
      suite.add(task.name, { ...options, defer: true, fn });
    }
    suite.on('complete', () => {
      signal.removeEventListener('abort', interrupt);
      // A suite holds its benchmarks under numbers, as an array does; its types do not say so.
      resolve(Array.from(suite as unknown as ArrayLike<Benchmark>));
    });
    signal.addEventListener('abort', interrupt);
    suite.run({ async: true });
  });
}

function failure({ name }: EngineTask, error: unknown): Error {
  return new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
}

function measuredOf(benchmark: Benchmark, first: Benchmark | undefined): Measured {
  const { sample } = benchmark.stats;
  const nsAt = (share: number): number => quantile(sample, share) * 1e9;
  const isFirst = first === undefined || first === benchmark;
  return {
    name: benchmark.name ?? '',
    nsPerOp: nsAt(0.5),
    marginPercent: marginPercent(sample),
    p75Ns: nsAt(0.75),
    p99Ns: nsAt(0.99),
    samples: sample.length,
    ...(isFirst ? {} : { differs: benchmark.compare(first) !== 0 }),
  };
}
