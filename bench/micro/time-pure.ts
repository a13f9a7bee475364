// Times pure code with tinybench. One sample is a batch: single operations here take less time
// than it takes to ask the clock.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Bench } from 'tinybench';
import type { Measured } from './figures.ts';
import type { PureTask } from './suite.ts';

/** A batch takes at least so long, a thousand times as long as the clock needs. */
const BATCH_MS = 0.1;
const BATCH_MAX = 65_536;
const WARM_UP_SHARE = 0.25;

/** The last result. It can be seen from outside, so that no compiler leaves the work out. */
export const kept: { last: unknown } = { last: undefined };

/** @throws Error that names the task which failed, and whatever `signal` says once it fires. */
export async function timePure(
  tasks: readonly PureTask[],
  seconds: number,
  signal: AbortSignal,
): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const task of tasks) {
    // A task holds the thread until it is through; between two of them signals come in.
    await nextTurn();
    signal.throwIfAborted();
    try {
      measured.push(await timeTask(task, seconds));
    } catch (error) {
      throw new Error(`${task.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return measured;
}

async function timeTask(task: PureTask, seconds: number): Promise<Measured> {
  const count = batchOf(task);
  const time = seconds * 1000;
  const bench = new Bench({ time, warmupTime: time * WARM_UP_SHARE, throws: true });
  bench.add(
    task.name,
    () => {
      const began = bench.now();
      const spent = runBatch(task, count);
      const cost = bench.now() - began;
      return { overriddenDuration: spent / count, overriddenIterationCost: cost };
    },
    { async: false },
  );
  await bench.run();
  const result = bench.tasks[0]?.result;
  if (result?.state !== 'completed') throw new Error(`not measured: ${result?.state ?? 'no task'}`);
  const { p50, p75, p99, rme, samplesCount } = result.latency;
  return {
    name: task.name,
    nsPerOp: p50 * 1e6,
    marginPercent: rme,
    p75Ns: p75 * 1e6,
    p99Ns: p99 * 1e6,
    samples: samplesCount,
  };
}

/** Milliseconds of the timed part. */
function runBatch(task: PureTask, count: number): number {
  task.prepare?.(count);
  const began = performance.now();
  for (let index = 0; index < count; index += 1) kept.last = task.run(index);
  return performance.now() - began;
}

/** Twice over: the first time the code is not compiled yet, and slower than it will be. */
function batchOf(task: PureTask): number {
  let count = 1;
  for (let round = 0; round < 2; round += 1) {
    count = 1;
    while (count < BATCH_MAX && runBatch(task, count) < BATCH_MS) count *= 2;
  }
  return count;
}
