/** What either end must not say, and a record that never ends. */
import { expect } from 'vitest';
import type { Peer } from '../helpers/peer.ts';
import { abort, data, END, u32 } from '../helpers/peer-words.ts';
import { pour, still } from './flow.ts';

const DATA_MAX = 0x7fffffff;
const OFFERED = 256 * 1_024 * 1_024;
/** What the socket buffers of the kernel and one read hold is far less. */
const TAKEN_MAX = OFFERED / 4;
const RSS_MAX = 128 * 1_024 * 1_024;

export const UNKNOWN: readonly [string, Buffer][] = [
  ['the first word that is none', u32(0x80000000)],
  ['the last word that is none', u32(0xfffffffc)],
];

/** Who has been told END need not read on before its own END; then at the latest it meets these. */
export const BEHIND_END: readonly [string, Buffer][] = [
  ['DATA', data('x')],
  ['END', END],
  ['ABORT', abort(1)],
  ['a word that is none', u32(0x80000000)],
];

/** Announces the longest record and pours until nothing more is taken. */
export async function standsStill(channel: Peer): Promise<void> {
  const before = process.memoryUsage.rss();
  channel.socket.write(u32(DATA_MAX));
  const flood = pour(channel, OFFERED);
  expect(await still(flood)).toBeLessThan(TAKEN_MAX);
  flood.stop();
  expect(process.memoryUsage.rss() - before).toBeLessThan(RSS_MAX);
}
