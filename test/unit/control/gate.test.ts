import { describe, expect, it } from 'vitest';
import { Gate } from '../../../ts/control/gate.ts';

function work() {
  let end: (error?: Error) => void = () => undefined;
  const state = { started: false };
  const run = () => {
    state.started = true;
    return new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error));
    });
  };
  return { run, state, end: (error?: Error) => end(error) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('gate', () => {
  it('lets so many in at once and the others in their order', async () => {
    const gate = new Gate(2);
    const works = [work(), work(), work(), work()];
    const runs = works.map(({ run }) => gate.run(run));
    await turn();
    expect(works.map(({ state }) => state.started)).toEqual([true, true, false, false]);
    works[1]?.end();
    await turn();
    expect(works.map(({ state }) => state.started)).toEqual([true, true, true, false]);
    works[0]?.end();
    await turn();
    for (const { end } of works) end();
    await Promise.all(runs);
  });

  it('gives the place on when the work fails', async () => {
    const gate = new Gate(1);
    const [bad, good] = [work(), work()];
    const failed = gate.run(bad.run).catch((error: Error) => error.message);
    const done = gate.run(good.run);
    await turn();
    bad.end(new Error('no'));
    expect(await failed).toBe('no');
    await turn();
    expect(good.state.started).toBe(true);
    good.end();
    await done;
    const again = work();
    const last = gate.run(again.run);
    await turn();
    again.end();
    await last;
  });
});
