import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../bench/load/options.ts';
import { ROWS, selectRows } from '../../../bench/load/rows/rows.ts';

function selected(...args: string[]): string[] {
  const options = readOptions(args);
  if (options === 'help') throw new Error('no run');
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
    expect(selected('--only', 'bulk').sort()).toEqual(BULK);
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

  it('leaves out of a quick run only what differs little', () => {
    const quick = selected('--quick');
    const left = ROWS.map(({ name }) => name).filter((name) => !quick.includes(name));
    expect(left).toContain('tls-rsa-storm');
    expect(left.filter((name) => !/^(tls-rsa|tls-both|noise-aesgcm)-/.test(name))).toEqual([]);
    expect(quick).toContain('tls-rsa-visitors-32');
    expect(selected().length).toBe(ROWS.length);
  });

  it.each([
    ['unknown transport quic', '--transports', 'quic'],
    ['no row slow', '--transports', 'tls', '--only', 'slow'],
    ['no row storm', '--only', 'storm'],
  ])('says %s', (message, ...args) => {
    expect(() => selected(...args)).toThrow(message);
  });
});
