import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../bench/load/options.ts';
import { ROWS, selectRows } from '../../../bench/load/rows/rows.ts';

function selected(...args: string[]): string[] {
  const options = readOptions(args);
  if (typeof options === 'string') throw new Error('no run');
  const stages = selectRows(options);
  return stages.flatMap(({ first, shuffled }) => [...first, ...shuffled]).map(({ name }) => name);
}

const BULK = ['bulk-down-1', 'bulk-down-8', 'bulk-up-1', 'bulk-up-8'];

describe('rows of the benchmark', () => {
  it('has each name once', () => {
    const names = ROWS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('takes a name without a transport for plain TCP', () => {
    const streams = ['1', '64', '8'];
    const rows = ['down', 'up'].flatMap((way) => streams.map((count) => `bulk-${way}-${count}`));
    expect(selected('--only', 'bulk').sort()).toEqual(rows);
  });

  it('takes names with their transport, and not those of another that begins like it', () => {
    expect(selected('--only', 'noise-bulk').sort()).toEqual(BULK.map((name) => `noise-${name}`));
    expect(selected('--only', 'noise-aesgcm-storm')).toEqual(['noise-aesgcm-storm']);
  });

  it('takes the long way by its name and by its transport', () => {
    const rows = ['first-byte-20ms', 'visitors-32-20ms'];
    expect(selected('--quick', '--transports', 'tcp-20ms').sort()).toEqual(rows);
    expect(selected('--only', 'visitors-32-20ms,first-byte').sort()).toEqual(rows);
    expect(selected('--transports', 'tcp', '--only', 'visitors-32')).toEqual(['visitors-32']);
  });

  it('takes names for every transport that is picked', () => {
    const args = ['--transports', 'tcp,tls', '--only', 'pingpong,tls-held'];
    expect(selected(...args).sort()).toEqual(['pingpong', 'tls-held', 'tls-pingpong']);
  });

  it('takes all rows of a transport that is picked', () => {
    expect(selected('--quick', '--transports', 'tls-rsa').sort()).toEqual(
      [...BULK, 'held', 'pingpong', 'storm', 'visitors-1', 'visitors-32'].map(
        (name) => `tls-rsa-${name}`,
      ),
    );
  });

  it('takes more from level to level, in a full run all', () => {
    const [quick, usual, full] = [selected('--quick'), selected(), selected('--full')];
    expect(quick).toEqual(expect.arrayContaining(['bulk-up-1', 'visitors-32', 'tls-bulk-up-1']));
    expect(usual).toEqual(expect.arrayContaining([...quick, 'held', 'noise-visitors-32']));
    expect(usual).not.toContain('tls-rsa-visitors-32');
    expect(full.sort()).toEqual(ROWS.map(({ name }) => name).sort());
  });

  it.each([
    ['unknown transport quic', '--transports', 'quic'],
    ['no row slow', '--transports', 'tls', '--only', 'slow'],
    ['no row storm', '--only', 'storm'],
  ])('says %s', (message, ...args) => {
    expect(() => selected(...args)).toThrow(message);
  });
});
