/** How many sockets this process has: what engines must return to. */
import { readdirSync, readlinkSync } from 'node:fs';
import { until } from './until.ts';

/** Open sockets; listeners count. Undefined where the system does not tell. */
export function openSockets(): number | undefined {
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return undefined;
  }
  let count = 0;
  for (const name of names) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:')) count += 1;
    } catch {
      // Gone between the two calls.
    }
  }
  return count;
}

/** Waits until so many sockets, or fewer, are left. */
export async function untilSockets(count: number | undefined, what: string): Promise<void> {
  if (count === undefined) return;
  await until(() => (openSockets() ?? 0) <= count, `${what}: ${openSockets()} > ${count} sockets`);
}
