// Whether a process has kept something. Descriptors and threads are exact; memory has a bound,
// and must exceed it lap after lap to count as a leak.

import type { ProcessState } from './process-state.ts';

type Descriptors = ProcessState['descriptors'];

/**
 * Where `after` differs from `floor`, the state before any visitor. Fewer is a difference too: then
 * one of the two was read while something was still on its way. With `surplus`, so many sockets of the
 * floor may be gone: a pool still kept them for the visitor that tried the tunnel out.
 */
export function descriptorFaults(floor: Descriptors, after: Descriptors, surplus = 0): string[] {
  const kinds = new Set([...Object.keys(floor), ...Object.keys(after)]);
  return [...kinds].flatMap((kind) => {
    const [before, now] = [floor[kind] ?? 0, after[kind] ?? 0];
    const isSurplus = kind === 'socket' && now < before && before - now <= surplus;
    return now === before || isSurplus ? [] : [`${kind}: ${before} before, ${now} after`];
  });
}

export function threadFaults(warm: ProcessState, after: ProcessState): string[] {
  if (after.threads <= warm.threads) return [];
  return [`threads: ${warm.threads} before, ${after.threads} after`];
}

export interface MemoryGrowth {
  readonly rssKib: number;
  readonly privateKib: number;
}

/** From each state to the next: one lap of the same load lies between two of them. */
export function growthOf(states: readonly ProcessState[]): MemoryGrowth[] {
  return states.slice(1).map((state, index) => ({
    rssKib: state.rssKib - (states[index]?.rssKib ?? 0),
    privateKib: state.privateKib - (states[index]?.privateKib ?? 0),
  }));
}

/** True when each lap grew beyond the bound: what is kept for each visitor does so, noise not. */
export function leaksMemory(states: readonly ProcessState[], boundKib: number): boolean {
  const laps = growthOf(states);
  const exceeds = (of: (lap: MemoryGrowth) => number): boolean =>
    laps.length > 0 && laps.every((lap) => of(lap) > boundKib);
  return exceeds((lap) => lap.rssKib) || exceeds((lap) => lap.privateKib);
}
