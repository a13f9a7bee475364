import { describe, expect, it } from 'vitest';
import {
  type CpuSnapshot,
  type CpuUse,
  cpuBetween,
  readCpu,
} from '../../../bench/load/machine/cpu.ts';
import { cpuPer, threadShares } from '../../../bench/load/rows/costs.ts';

function snapshot(threads: Record<number, [string, number]>, ticksNs = 0): CpuSnapshot {
  const entries = Object.entries(threads).map(
    ([id, [name, ns]]) => [Number(id), { name, ns, switches: ns / 1e8 }] as const,
  );
  return { pid: 10, threads: new Map(entries), ticksNs };
}

describe('CPU costs', () => {
  it('tells the main thread, the engine and the helpers apart, new threads included', () => {
    const before = snapshot({ 10: ['node', 1e9], 11: ['node', 5e9], 12: ['warren-0', 0] });
    const after = snapshot({
      10: ['node', 1.5e9],
      11: ['node', 5.25e9],
      12: ['warren-0', 2e9],
      13: ['warren-1', 1e9],
    });
    expect(cpuBetween(before, after)).toEqual({
      main: 0.5,
      helpers: 0.25,
      engine: 3,
      switches: 37.5,
      total: 3.75,
    });
  });

  it('counts a thread that has ended by the ticks of its process', () => {
    const before = snapshot({ 10: ['node', 0], 11: ['warren-0', 1e9] }, 1e9);
    const after = snapshot({ 10: ['node', 0] }, 3.02e9);
    expect(cpuBetween(before, after).total).toBeCloseTo(2);
  });

  it('gives shares of a core by the time of the load, and the worse end', () => {
    const side = (main: number): CpuUse => ({
      main,
      helpers: 0,
      engine: 1,
      switches: 0,
      total: main + 1,
    });
    const loaded = { numbers: { seconds: 2 }, cpu: { server: side(0.02), client: side(0.1) } };
    expect(threadShares(true, loaded)).toMatchObject({ js: 5, jsServer: 1, jsClient: 5 });
    expect(threadShares(false, loaded)).toEqual({});
    expect(cpuPer(10, loaded)['cpu']).toBeCloseTo(0.212);
    expect(cpuPer(10, { ...loaded, cpu: undefined })).toEqual({});
  });

  it.skipIf(process.platform !== 'linux')('reads what this thread has used', () => {
    const before = readCpu(process.pid);
    const until = performance.now() + 50;
    while (performance.now() < until);
    const { main, total } = cpuBetween(before, readCpu(process.pid));
    expect(main + total).toBeGreaterThan(0.02);
  });
});
