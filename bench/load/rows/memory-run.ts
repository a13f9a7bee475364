// Memory over time: from rest into a steady stream of short visitors, and a moment beyond.

import { setTimeout as sleep } from 'node:timers/promises';
import { summarize } from '../../report/stats.ts';
import type { Cell, RowKind, Series } from './row.ts';

const RATE = 1000;
const AT_ONCE = 64;
/** The load is as long as so many usual runs, and never shorter than this. */
const RUNS = 5;
const LEAST_SECONDS = 2;
/** Before the load and after it. */
const REST_SECONDS = 1;
const SAMPLE_EVERY_MS = 100;
/** Counting the shared pages halts a process for a moment: only at every so many samples. */
const PSS_EVERY = 5;

export const memoryRun: RowKind = {
  name: 'memory-run',
  title: `memory under ${RATE.toLocaleString('en')} visitors/s, server + client`,
  repeatable: false,
  metrics: [
    { key: 'peakRss', title: 'RSS peak MiB', better: 'less' },
    { key: 'steadyRss', title: 'RSS steady MiB', better: 'less' },
    { key: 'steadyPss', title: 'PSS steady MiB', better: 'less' },
    { key: 'per_second', title: 'visitors/s', better: 'more' },
  ],
  async run(cell) {
    const seconds = Math.max(LEAST_SECONDS, RUNS * cell.seconds);
    const watch = new Watch(cell);
    await sleep(REST_SECONDS * 1000);
    const from = watch.seconds;
    const flags = { connect: cell.tcpAddr, rate: RATE, concurrency: AT_ONCE, seconds };
    const numbers = await runVisitors(cell, flags).finally(() => watch.endAfter(REST_SECONDS));
    await watch.ended;
    if (!cell.relayed) return numbers;
    cell.keepSeries('rss', watch.rss);
    return { ...numbers, ...steady(watch, from, from + seconds) };
  },
};

async function runVisitors(
  cell: Cell,
  flags: Readonly<Record<string, string | number>>,
): Promise<Readonly<Record<string, number>>> {
  const { numbers } = await cell.load('visitors', flags);
  const { failures, visitors, per_second = Number.NaN } = numbers;
  if (failures !== 0) throw new Error(`${failures} visitors failed, ${visitors} were served`);
  return { per_second };
}

/** MiB of both processes together over the seconds since the row's start, until told to end. */
class Watch {
  readonly rss: [number, number][] = [];
  readonly pss: [number, number][] = [];
  readonly ended: Promise<void>;
  readonly #cell: Cell;
  readonly #started = performance.now();
  #until = Number.POSITIVE_INFINITY;

  constructor(cell: Cell) {
    this.#cell = cell;
    this.ended = this.#run();
    // Whoever awaits it does so later, or not at all after a failure.
    this.ended.catch(() => {});
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  endAfter(seconds: number): void {
    this.#until = this.seconds + seconds;
  }

  async #run(): Promise<void> {
    for (let count = 0; this.seconds < this.#until; count += 1) {
      this.rss.push([this.seconds, this.#cell.rssKib() / 1024]);
      if (count % PSS_EVERY === 0) {
        this.pss.push([this.seconds, this.#cell.memory().pssKib / 1024]);
      }
      await sleep(SAMPLE_EVERY_MS);
    }
  }
}

/** The peak of all, and what the last third of the load has in the middle. */
export function steady(
  { rss, pss }: { readonly rss: Series; readonly pss: Series },
  from: number,
  to: number,
): Readonly<Record<string, number>> {
  const begin = to - (to - from) / 3;
  const middle = (series: Series): number => {
    const late = series.filter(([at]) => at >= begin && at <= to);
    return summarize(late.map(([, value]) => value))?.median ?? Number.NaN;
  };
  const peakRss = Math.max(...rss.map(([, value]) => value));
  return { peakRss, steadyRss: middle(rss), steadyPss: middle(pss) };
}
