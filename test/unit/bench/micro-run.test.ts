import { describe, expect, it } from 'vitest';
import type { Figures } from '../../../bench/micro/figures.ts';
import { runSuites } from '../../../bench/micro/run.ts';
import type { EngineTask, PureTask, Suite } from '../../../bench/micro/suite.ts';

const SECONDS = 0.05;
const well: PureTask = { name: 'well', check: () => undefined, run: (index) => index };

function pure(...tasks: PureTask[]): Suite {
  return { name: 'pure', title: 'pure code', method: 'tinybench', tasks: () => tasks };
}

function engines(closed: () => void, ...tasks: EngineTask[]): Suite {
  const close = async (): Promise<void> => closed();
  const open = async (): Promise<{ tasks: EngineTask[]; close: () => Promise<void> }> => ({
    tasks,
    close,
  });
  return { name: 'engines', title: 'engine against engine', method: 'benchmark.js', open };
}

/** An operation that takes so many milliseconds, by the clock and not by a timer. */
function taking(name: string, ms: number): EngineTask {
  return {
    name,
    check: async () => undefined,
    async run() {
      const until = performance.now() + ms;
      await new Promise(setImmediate);
      while (performance.now() < until);
    },
  };
}

async function run(
  suites: readonly Suite[],
  signal: AbortSignal = new AbortController().signal,
): Promise<{ wrong: unknown; figures: Figures[] }> {
  const figures: Figures[] = [];
  const onSuite = ({ figures: more }: { figures: readonly Figures[] }): void => {
    figures.push(...more);
  };
  const common = { engines: [], seconds: SECONDS, signal, onStart: () => undefined };
  const wrong = await runSuites({ ...common, suites, onSuite });
  return { wrong, figures };
}

describe('a wrong result', () => {
  it('is told by its name, all at once, and nothing is timed', async () => {
    let runs = 0;
    const counting: PureTask = { ...well, run: () => (runs += 1) };
    const fails = (reason: string) => (): never => {
      throw new Error(reason);
    };
    const first = { ...well, name: 'first', check: fails('1 is not 2') };
    const second = { ...taking('second', 1), check: async () => fails('other bytes')() };
    let closed = 0;
    const suites = [pure(counting, first), engines(() => (closed += 1), second)];
    const { wrong, figures } = await run(suites);
    expect(wrong).toEqual([
      { suite: 'pure', task: 'first', reason: '1 is not 2' },
      { suite: 'engines', task: 'second', reason: 'other bytes' },
    ]);
    expect({ runs, figures, closed }).toEqual({ runs: 0, figures: [], closed: 1 });
  });

  it('is also that a suite cannot be made', async () => {
    const suite: Suite = {
      ...pure(),
      method: 'tinybench',
      tasks() {
        throw new Error('no vectors');
      },
    };
    const { wrong } = await run([suite]);
    expect(wrong).toEqual([{ suite: 'pure', task: 'pure', reason: 'no vectors' }]);
  });
});

describe('what is timed', () => {
  it('of pure code is one operation, without what prepares a batch', async () => {
    const busy = (ms: number): void => {
      const until = performance.now() + ms;
      while (performance.now() < until);
    };
    const prepared: PureTask = { ...well, prepare: () => busy(2), run: () => busy(0.2) };
    const { figures } = await run([pure(well, prepared)]);
    expect(figures.map(({ name, toFirst }) => [name, toFirst > 1])).toEqual([
      ['well', false],
      ['well', true],
    ]);
    const [quick, slow] = figures;
    expect(quick?.nsPerOp).toBeLessThan(10_000);
    expect(slow?.nsPerOp).toBeGreaterThanOrEqual(200_000);
    expect(slow?.nsPerOp).toBeLessThan(2_000_000);
    expect(slow?.differs).toBeNull();
  });

  it('of engines is compared with the first, and the suite is closed', async () => {
    let closed = 0;
    const suite = engines(() => (closed += 1), taking('short', 0.5), taking('long', 5));
    const { figures } = await run([suite]);
    const [short, long] = figures;
    expect(figures.map(({ name }) => name)).toEqual(['short', 'long']);
    expect(short?.nsPerOp).toBeGreaterThanOrEqual(500_000);
    expect(long?.nsPerOp).toBeGreaterThanOrEqual(5_000_000);
    expect(short?.toFirst).toBe(1);
    expect(long?.toFirst).toBeGreaterThan(1);
    expect([short?.differs, long?.differs]).toEqual([null, true]);
    expect(long?.samples).toBeGreaterThanOrEqual(5);
    // Once after the check, once after the timing.
    expect(closed).toBe(2);
  });
});

describe('a run that goes wrong', () => {
  it('names what failed under way and closes the suite', async () => {
    let closed = 0;
    let runs = 0;
    const breaks: EngineTask = {
      name: 'breaks',
      check: async () => undefined,
      async run() {
        await new Promise(setImmediate);
        runs += 1;
        if (runs > 50) throw new Error('the tunnel closed the connection');
      },
    };
    const suite = engines(() => (closed += 1), breaks);
    await expect(run([suite])).rejects.toThrow('engines: breaks: the tunnel closed the connection');
    expect(closed).toBe(2);
  });

  it('of pure code names what failed, too', async () => {
    const breaks: PureTask = {
      ...well,
      run() {
        throw new Error('not opened');
      },
    };
    await expect(run([pure(breaks)])).rejects.toThrow('pure: well: not opened');
  });

  it.each([
    ['pure code', (stop: () => void): Suite => pure({ ...well, prepare: stop }, well)],
    [
      'engines',
      (stop: () => void): Suite =>
        engines(() => undefined, {
          ...taking('one', 1),
          async run() {
            stop();
          },
        }),
    ],
  ])('is interrupted while %s is timed', async (_, suiteOf) => {
    const stop = new AbortController();
    const suite = suiteOf(() => stop.abort(new Error('interrupted')));
    await expect(run([suite], stop.signal)).rejects.toThrow('interrupted');
  });

  it('is interrupted in the midst of a cycle, and the suite is closed', async () => {
    const stop = new AbortController();
    let closed = 0;
    let runs = 0;
    const counting: EngineTask = {
      ...taking('one', 0),
      async run() {
        runs += 1;
        if (runs === 5_000) stop.abort(new Error('interrupted'));
      },
    };
    const suite = engines(() => (closed += 1), counting);
    await expect(run([suite], stop.signal)).rejects.toThrow('interrupted');
    expect(closed).toBe(2);
  });
});
