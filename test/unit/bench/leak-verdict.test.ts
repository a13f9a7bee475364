import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type ProcessState, readDescriptors } from '../../../bench/leak/process-state.ts';
import {
  descriptorFaults,
  growthOf,
  leaksMemory,
  threadFaults,
} from '../../../bench/leak/verdict.ts';

function state(changes: Partial<ProcessState> = {}): ProcessState {
  const descriptors = { socket: 15, pipe: 2, file: 4 };
  return { descriptors, threads: 9, rssKib: 50_000, privateKib: 10_000, ...changes };
}

describe('leak verdict', () => {
  it('finds a single socket too many, a new kind, and one too few', () => {
    const { descriptors: floor } = state();
    expect(descriptorFaults(floor, floor)).toEqual([]);
    expect(descriptorFaults(floor, { ...floor, socket: 16 })).toEqual([
      'socket: 15 before, 16 after',
    ]);
    expect(descriptorFaults(floor, { ...floor, 'anon_inode:[eventfd]': 1 })).toHaveLength(1);
    expect(descriptorFaults(floor, { ...floor, pipe: 1 })).toHaveLength(1);
  });

  it('finds a thread too many', () => {
    expect(threadFaults(state(), state({ threads: 10 }))).toHaveLength(1);
    expect(threadFaults(state(), state({ threads: 8 }))).toEqual([]);
  });

  it('takes memory for leaked when it grows beyond the bound in every lap', () => {
    const states = (...privateKib: number[]): ProcessState[] =>
      privateKib.map((kib) => state({ privateKib: kib }));
    expect(growthOf(states(10, 15, 12)).map(({ privateKib }) => privateKib)).toEqual([5, -3]);
    expect(leaksMemory(states(10_000), 2048)).toBe(false);
    expect(leaksMemory(states(10_000, 12_048), 2048)).toBe(false);
    expect(leaksMemory(states(10_000, 13_000), 2048)).toBe(true);
    expect(leaksMemory(states(10_000, 13_000, 13_500), 2048)).toBe(false);
    expect(leaksMemory(states(10_000, 13_000, 16_000), 2048)).toBe(true);
    const rss = [state(), state({ rssKib: 60_000 })];
    expect(leaksMemory(rss, 2048)).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('counts a socket that this process opens', async () => {
    const before = readDescriptors(process.pid)['socket'] ?? 0;
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(readDescriptors(process.pid)['socket']).toBe(before + 1);
    server.close();
  });
});
