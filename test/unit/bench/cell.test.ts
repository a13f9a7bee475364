import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runCell } from '../../../bench/load/cell.ts';
import { nearSite } from '../../../bench/load/machine/site.ts';
import { findPeers } from '../../../bench/load/peers/peers.ts';
import { TCP } from '../../../bench/load/peers/transport.ts';
import { startTunnel, type Tunnel } from '../../../bench/load/peers/tunnel.ts';
import { over, type RowKind } from '../../../bench/load/rows/row.ts';
import { rowsOf, selectRows } from '../../../bench/load/rows/rows.ts';
import { burst } from '../../../bench/load/rows/visitors.ts';
import { assertSomeMeet } from '../../../bench/load/schedule.ts';

/** A tunnel whose processes are both this one. */
async function ownTunnel(): Promise<Tunnel> {
  const { found } = findPeers(['direct'], []);
  const [direct] = found;
  if (direct === undefined) throw new Error('there is no direct');
  const site = nearSite({ addr: '127.0.0.1:1', port: 1, pid: process.pid });
  return { ...(await startTunnel(direct, TCP, site)), pids: [process.pid, process.pid] };
}

async function sampleOf(run: RowKind['run']): Promise<Readonly<Record<string, number>>> {
  const kind: RowKind = { name: 'row', title: '', metrics: [], repeatable: false, run };
  return (await runCell(over('tcp', kind, 'usual'), await ownTunnel(), 1, 1)).sample;
}

describe('what a row shows of its processes', () => {
  it('has a rate of context switches only where there was time for one', async () => {
    const short = await sampleOf(async () => ({}));
    expect(short).not.toHaveProperty('switches');
    expect(short['rssMib']).toBeGreaterThan(10);
    const long = await sampleOf(async () => {
      await sleep(250);
      return {};
    });
    expect(long).toHaveProperty('switches');
  });
});

describe('a burst', () => {
  it.each([
    [1500, 80],
    [1499, undefined],
  ])('of which %d are paired has the last answer after %s ms', async (paired, last) => {
    const loaded = { numbers: { paired, last_ms: 80, failures: 0 }, cpu: undefined };
    const numbers = await sampleOf((cell) => burst.run({ ...cell, load: async () => loaded }));
    expect(numbers['paired']).toBe(paired);
    expect(numbers['last_ms']).toBe(last);
  });
});

describe('a run', () => {
  const options = { only: ['udp-64-10k'], transports: [], level: 'usual' } as const;

  it('says why where no peer takes part in any row', () => {
    const rows = rowsOf(selectRows(options));
    const { found } = findPeers(['splice-relay', 'direct'], []);
    expect(() => assertSomeMeet(found, rows, [])).not.toThrow();
    const without = found.filter(({ name }) => name === 'splice-relay');
    expect(() => assertSomeMeet(without, rows, [{ name: 'frp', reason: 'it is away' }])).toThrow(
      'none of splice-relay takes part in any of udp-64-10k; left out: frp: it is away',
    );
    expect(() => assertSomeMeet([], [], [])).toThrow('there is nothing to measure');
  });
});
