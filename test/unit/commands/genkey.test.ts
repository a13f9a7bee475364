import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { genkey } from '../../../ts/commands/genkey.ts';

describe('a pair of keys in files is written as a whole or not at all', () => {
  let directory: string;
  let told: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'warren-genkey-'));
    told = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      told += text;
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(directory, { recursive: true, force: true });
  });

  const overwrite = (): Promise<number> =>
    genkey({ verb: 'genkey', json: false, out: join(directory, 'a'), force: true });

  it.each([
    ['a.key', 'a.pub'],
    ['a.pub', 'a.key'],
  ])('%s is a directory: %s stays', async (odd, other) => {
    mkdirSync(join(directory, odd));
    writeFileSync(join(directory, other), 'old');
    expect(await overwrite()).toBe(1);
    expect(told).toContain(join(directory, odd));
    expect(readFileSync(join(directory, other), 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['a.key', 'a.pub']);
  });

  it('a file under the name that a new one has for a moment: nothing changes', async () => {
    writeFileSync(join(directory, 'a.key'), 'old');
    const inTheWay = `a.key.${process.pid}.new`;
    writeFileSync(join(directory, inTheWay), 'of another');
    expect(await overwrite()).toBe(1);
    expect(readFileSync(join(directory, 'a.key'), 'utf8')).toBe('old');
    expect(readdirSync(directory)).toEqual(['a.key', inTheWay]);
  });
});
