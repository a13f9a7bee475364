import { describe, expect, it } from 'vitest';
import { TCP } from '../../../bench/load/peers/transport.ts';
import { jitter } from '../../../bench/load/rows/jitter.ts';
import { curveOf, latency } from '../../../bench/load/rows/latency.ts';
import type { Cell, Loaded, Series } from '../../../bench/load/rows/row.ts';

type Flags = Readonly<Record<string, string | number>>;

/** A tunnel whose loads give what `answer` says; what was asked and kept. */
function cellOf(
  seconds: number,
  answer: (command: string, flags: Flags) => Readonly<Record<string, number>>,
  cpu?: Loaded['cpu'],
): { cell: Cell; asked: [string, Flags][]; kept: Record<string, Series> } {
  const asked: [string, Flags][] = [];
  const kept: Record<string, Series> = {};
  const unused = (): never => {
    throw new Error('not for this row');
  };
  const cell: Cell = {
    tcpAddr: '127.0.0.1:1',
    udpAddr: '127.0.0.1:2',
    iperf3Addr: undefined,
    tunnelAddr: '127.0.0.1:3',
    transport: TCP,
    sinkAddr: '127.0.0.1:4',
    relayed: true,
    isNode: false,
    seconds,
    async load(command, flags) {
      asked.push([command, flags]);
      return { numbers: answer(command, flags), cpu };
    },
    measure: unused,
    background: unused,
    memory: unused,
    rssKib: unused,
    keepSeries(name, points) {
      kept[name] = points;
    },
    control: undefined,
  };
  return { cell, asked, kept };
}

const side = (total: number) => ({ main: 0, helpers: 0, engine: total, switches: 0, total });
const FINE = { requests: 3900, failures: 0, late: 0, warm_ups: 100, p50_us: 90, q50: 90 };

describe('latency at a fixed load', () => {
  it('keeps the curve in order, apart from the numbers', async () => {
    const numbers = { ...FINE, q100: 7, q0: 1, q99_5: 5, q99: 4 };
    const { cell, kept } = cellOf(1, () => numbers);
    const sample = await latency('close', 500).run(cell);
    expect(kept).toEqual({
      percentiles: [
        [0, 1],
        [50, 90],
        [99, 4],
        [99.5, 5],
        [100, 7],
      ],
    });
    expect(sample).toEqual({ requests: 3900, failures: 0, late: 0, warm_ups: 100, p50_us: 90 });
    expect(curveOf({ quick: 1, p99_us: 2 })).toEqual([]);
  });

  it('counts the CPU of the first requests by all requests', async () => {
    const { cell } = cellOf(2, () => FINE, { server: side(0.1), client: side(0.3) });
    const sample = await latency('keepalive', 5000).run(cell);
    expect(sample['cpu']).toBeCloseTo(100);
    expect(sample['cpuServer']).toBeCloseTo(25);
  });

  it.each([
    [0.3, 0.3],
    [0.7, 2],
    [3, 3],
  ])('makes of %s seconds %s', async (wanted, seconds) => {
    const { cell, asked } = cellOf(wanted, () => FINE);
    await latency('close', 2000).run(cell);
    const flags = { connect: '127.0.0.1:1', rate: 2000, seconds, connections: 256, mode: 'close' };
    expect(asked).toEqual([['http', flags]]);
  });

  it('is no figure when requests fail', async () => {
    const { cell, kept } = cellOf(1, () => ({ ...FINE, failures: 3, late: 1 }));
    await expect(latency('close', 500).run(cell)).rejects.toThrow('3 requests failed');
    expect(kept).toEqual({});
  });
});

describe('jitter', () => {
  it('measures the flow alone, then beside the bulk, and the bulk', async () => {
    let bulks = 0;
    const { cell, asked } = cellOf(0.1, (command, { direction }) => {
      if (command === 'bulk') {
        bulks += 1;
        return { gbit_s: direction === 'up' ? 2 : 3 };
      }
      return bulks === 0 ? { p50_us: 50, p99_us: 100 } : { p50_us: 500, p99_us: 900, p999_us: 990 };
    });
    expect(await jitter.run(cell)).toEqual({
      calm_p50_us: 50,
      calm_p99_us: 100,
      p50_us: 500,
      p99_us: 900,
      p999_us: 990,
      gbit: 5,
      gbitDown: 3,
      gbitUp: 2,
    });
    expect(asked.map(([command]) => command)).toEqual(['pingpong', 'bulk', 'bulk', 'pingpong']);
    const lengths = asked.slice(1).map(([, { seconds }]) => Number(seconds));
    expect(Math.min(...lengths.slice(0, 2))).toBeGreaterThan(0.3);
  });

  it('ends with its loads when one of them fails', async () => {
    let ended = 0;
    const { cell } = cellOf(0.1, () => ({}));
    const load: Cell['load'] = async (command, flags) => {
      if (flags['direction'] === 'up') throw new Error('no half-close');
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended += 1;
      return { numbers: { [command]: 1 }, cpu: undefined };
    };
    await expect(jitter.run({ ...cell, load })).rejects.toThrow('no half-close');
    expect(ended).toBe(3);
  });
});
