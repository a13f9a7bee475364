import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOptions } from '../../../bench/load/options.ts';
import { rowsOf, selectRows } from '../../../bench/load/rows/rows.ts';
import { findProgram } from '../../../bench/load/tools/find-program.ts';
import { Iperf3Busy, parseIperf3 } from '../../../bench/load/tools/iperf3.ts';
import { prepareTools, wholeSeconds } from '../../../bench/load/tools/tools.ts';
import { parseWrk } from '../../../bench/load/tools/wrk.ts';

/** What the programs printed: iperf3 3.12, wrk 4.1.0 against the sink and against a bad server. */
function capture(name: string): string {
  return readFileSync(new URL(`captures/${name}`, import.meta.url), 'utf8');
}

describe('what iperf3 prints', () => {
  it.each([
    ['up', 18.756_184_657, 2_346_844_160, 1.000_99],
    ['down', 13.878_011_02, 1_735_983_051, 1.000_71],
  ])('gives what was received, not what was sent: %s', (direction, gbit, bytes, seconds) => {
    const numbers = parseIperf3(capture(`iperf3-${direction}.json`));
    expect(numbers).toEqual({ gbit: expect.closeTo(gbit, 8), bytes, seconds });
  });

  it('tells a server that is busy from other trouble', () => {
    expect(() => parseIperf3(capture('iperf3-busy.json'))).toThrow(Iperf3Busy);
    const refused = (): unknown => parseIperf3(capture('iperf3-refused.json'));
    expect(refused).toThrow('iperf3: unable to connect to server: Connection refused');
    expect(refused).not.toThrow(Iperf3Busy);
  });

  it.each([
    ['iperf3 printed no JSON: unrecognized option', 'unrecognized option\n'],
    ['no end.sum_received.bytes', '{"end":{}}'],
    ['no byte was received', '{"end":{"sum_received":{"bytes":0,"seconds":1}}}'],
  ])('says %s', (message, output) => {
    expect(() => parseIperf3(output)).toThrow(message);
  });
});

describe('what wrk prints', () => {
  it('gives the rate and the percentiles in one unit', () => {
    expect(parseWrk(capture('wrk-keepalive.txt'))).toEqual({
      requests: 137_082,
      seconds: 1.1,
      per_second: 124_517.22,
      p50_us: 121,
      p75_us: 160,
      p90_us: 226,
      p99_us: 6630,
    });
  });

  it('finds no error where each request had a connection of its own', () => {
    const numbers = parseWrk(capture('wrk-close.txt'));
    expect(numbers).toMatchObject({ requests: 15_730, p50_us: 629, p75_us: 1080, p99_us: 2380 });
  });

  it.each([
    ['timeouts', 'wrk: Socket errors: connect 0, read 0, write 0, timeout 32; 32 requests'],
    ['cut', 'wrk: Socket errors: connect 0, read 1491, write 0, timeout 0; 12943 requests'],
    ['bad', 'wrk: Non-2xx or 3xx responses: 24650; 24650 requests'],
  ])('takes no number from a run with errors: %s', (name, message) => {
    expect(() => parseWrk(capture(`wrk-${name}.txt`))).toThrow(message);
  });

  it('takes no number where nothing was answered, or from another text', () => {
    const nothing = '  0 requests in 1.00s, 0.00B read\nRequests/sec:      0.00\n';
    expect(() => parseWrk(nothing)).toThrow('no request was answered');
    const other = capture('wrk-keepalive.txt').replaceAll('us\n', 'ticks\n');
    expect(() => parseWrk(other)).toThrow('121.00ticks; is it another version?');
  });
});

describe('programs that rows need', () => {
  const directory = mkdtempSync(join(tmpdir(), 'warren-tools-'));
  const options = readOptions(['--only', 'http,iperf3,pingpong']);
  if (typeof options === 'string') throw new Error('no run');
  const rows = rowsOf(selectRows(options));

  beforeAll(() => {
    const file = join(directory, 'wrk');
    // The real one ends so when it says its version.
    writeFileSync(file, '#!/bin/sh\necho "wrk debian/4.1.0-3+b2 [epoll] Copyright"\nexit 1\n');
    chmodSync(file, 0o755);
    writeFileSync(join(directory, 'iperf3'), 'not a program');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('finds them on PATH with their versions, and names the rows of those that are missing', () => {
    const { ready, missing } = prepareTools(rows, { PATH: `/nowhere:${directory}` });
    expect([...ready.values()]).toEqual([{ name: 'wrk', version: 'debian/4.1.0-3+b2' }]);
    expect(missing).toEqual([
      {
        name: 'iperf3-up-1, iperf3-up-8, iperf3-down-1',
        reason: 'install iperf3 (Debian: apt install iperf3) or put it on PATH',
      },
    ]);
  });

  it('asks only for what the picked rows need', () => {
    const own = rows.filter(({ needs }) => needs === undefined);
    expect(own.map(({ name }) => name)).toContain('pingpong');
    expect(prepareTools(own, { PATH: '/nowhere' })).toEqual({ ready: new Map(), missing: [] });
  });

  it('takes the file that a variable names, and none beside it', () => {
    const env = { PATH: directory, WARREN_X: '/nowhere/wrk' };
    expect(findProgram('wrk', 'WARREN_X', env)).toBeUndefined();
    expect(findProgram('wrk', 'WARREN_Y', env)).toBe(join(directory, 'wrk'));
    expect(findProgram('wrk', 'WARREN_Z', { ...env, WARREN_Z: directory })).toBeUndefined();
  });

  it('measures iperf3 in tunnels of its own, as its service costs memory', () => {
    for (const stage of selectRows({ ...options, level: 'full', only: [] })) {
      const needs = rowsOf([stage]).map((row) => row.needs === 'iperf3');
      expect(new Set(needs).size).toBe(1);
    }
  });

  it('runs them for whole seconds, at least one', () => {
    expect([0.1, 1.4, 1.5, 2].map(wholeSeconds)).toEqual([1, 1, 2, 2]);
  });
});
