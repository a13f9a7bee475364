import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { abortNumber, abortReason } from '../../../ts/dataplane/abort-reason.ts';
import type { EndReason } from '../../../ts/engine/reason.ts';

const WIRE = readFileSync(new URL('../../../docs/wire.md', import.meta.url), 'utf8');

/** The rows of the table of section 5. */
const ROWS = [...WIRE.matchAll(/^\| (\d+) \| `(\w+)` \| (?:`(\w+)` )?\|$/gm)].map(
  ([, number, client, server]) =>
    [Number(number), client as EndReason, server as EndReason] as const,
);

describe('reasons of an abort', () => {
  it('are those of docs/wire.md, both ways', () => {
    expect(ROWS).toHaveLength(11);
    for (const [number, client, server] of ROWS) {
      expect([abortNumber('client', client), abortReason('client', number)]).toEqual([
        number,
        client,
      ]);
      expect(abortReason('server', number)).toBe(server ?? 'channel_reset');
      if (server !== undefined) expect(abortNumber('server', server)).toBe(number);
    }
  });

  it('what has no number is a reset, as is a number that is in no row', () => {
    expect([abortNumber('server', 'local_refused'), abortNumber('client', undefined)]).toEqual([
      0, 0,
    ]);
    expect([abortReason('client', 11), abortReason('server', 255)]).toEqual([
      'channel_reset',
      'channel_reset',
    ]);
  });
});
