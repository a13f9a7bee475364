import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadBinding, tryBinding } from '../../../ts/engine/load-binding.ts';
import { RUST } from '../../helpers/rust-binding.ts';

const VERSION = '1.2.3';
const load = createRequire(import.meta.url);

let folder: string;
let present: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-binding-'));
  present = join(folder, 'present.node');
  writeFileSync(present, 'these bytes are no shared library');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The reason for which an addon with these exports is not taken. */
function reasonFor(exports: unknown): string {
  const result = tryBinding({ file: present, version: VERSION, load: () => exports });
  return 'reason' in result ? result.reason : 'taken';
}

const RIGHT = { version: () => VERSION, probe: () => null };

describe('tryBinding', () => {
  it('names the file that is not there, the platform, and what to do', () => {
    const file = join(folder, 'absent.node');
    const result = tryBinding({ file, version: VERSION, load });
    expect(result).toEqual({ reason: expect.stringContaining(file) });
    expect(result).toEqual({ reason: expect.stringContaining('npm run build:native') });
    expect(result).toEqual({
      reason: expect.stringContaining(`${process.platform}-${process.arch}`),
    });
  });

  it('has the loader’s own words for a file that is no addon', () => {
    const result = tryBinding({ file: present, version: VERSION, load });
    expect(result).toEqual({ reason: expect.stringMatching(/^cannot be loaded: .*present\.node/) });
  });

  it('puts what a loader says into one line', () => {
    const fail = (): never => {
      throw new Error('not a valid\r\n  Win32 application.\r\n');
    };
    const result = tryBinding({ file: present, version: VERSION, load: fail });
    expect(result).toEqual({ reason: 'cannot be loaded: not a valid Win32 application.' });
  });

  it.each([[{}], [null], [() => 0], [{ version: VERSION }]])(
    'refuses an addon of somebody else: %j',
    (exports) => expect(reasonFor(exports)).toContain('not warren'),
  );

  it.each(['1.2.2', '1.2.30', '', 'v1.2.3'])('refuses version %j and tells both', (version) => {
    const reason = reasonFor({ ...RIGHT, version: () => version });
    expect(reason).toContain(`version ${version}`);
    expect(reason).toContain(VERSION);
    expect(reason).toContain('npm run build:native');
  });

  it('does not call anything but version() of another version', () => {
    const probe = (): never => {
      throw new Error('called');
    };
    expect(reasonFor({ version: () => '9.9.9', probe })).toContain('9.9.9');
    expect(reasonFor({ version: () => '9.9.9' })).toContain('9.9.9');
  });

  it('tells what the probe found', () => {
    expect(reasonFor({ ...RIGHT, probe: () => 'splice: EPERM' })).toBe(
      'probe failed: splice: EPERM',
    );
  });

  it('outlives an addon that throws', () => {
    const fail = (): never => {
      throw new Error('panic in probe');
    };
    expect(reasonFor({ ...RIGHT, probe: fail })).toContain('panic in probe');
    expect(reasonFor({ ...RIGHT, version: fail })).toContain('panic in probe');
  });

  it('takes the one that is right', () => {
    expect(reasonFor(RIGHT)).toBe('taken');
  });
});

describe.skipIf(RUST === undefined)('loadBinding', () => {
  it('gives the same addon every time', () => {
    expect(loadBinding()).toEqual({ binding: RUST });
  });
});
