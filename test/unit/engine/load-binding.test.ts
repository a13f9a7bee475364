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

/** Has every function by every name. */
const EVERYTHING = new Proxy({}, { get: () => () => undefined });

const RIGHT = {
  version: () => VERSION,
  probe: (): string | null => null,
  endReasons: () => [],
  defaultLimits: () => ({}),
  BindingEngine: engineWith(EVERYTHING),
};

function engineWith(methods: object): () => void {
  const BindingEngine = (): void => undefined;
  return Object.assign(BindingEngine, { prototype: methods });
}

describe('tryBinding', () => {
  it('names the file that is not there, the platform, and what to do', () => {
    const file = join(folder, 'absent.node');
    const result = tryBinding({ file, version: VERSION, load });
    expect(result).toMatchObject({ reason: expect.stringContaining(file) });
    expect(result).toMatchObject({ reason: expect.stringContaining('npm run build:native') });
    expect(result).toMatchObject({
      reason: expect.stringContaining(`${process.platform}-${process.arch}`),
    });
  });

  it('has the loader’s own words for a file that is no addon', () => {
    const result = tryBinding({ file: present, version: VERSION, load });
    expect(result).toMatchObject({
      reason: expect.stringMatching(/^cannot be loaded: .*present\.node/),
    });
  });

  it('puts what a loader says into one line', () => {
    const fail = (): never => {
      throw new Error('not a valid\r\n  Win32 application.\r\n');
    };
    const result = tryBinding({ file: present, version: VERSION, load: fail });
    expect(result).toMatchObject({
      reason: 'cannot be loaded: not a valid Win32 application.',
    });
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

  it.each(['BindingEngine', 'defaultLimits', 'endReasons', 'probe'])(
    'refuses one of the same version that has no %s yet',
    (name) => {
      expect(reasonFor({ ...RIGHT, [name]: undefined })).toContain(
        `the addon is older than this warren (it has no ${name}): `,
      );
    },
  );

  it.each(['takeUpcalls', 'stopAccepting', 'threads', 'shutdown'])(
    'refuses one of the same version whose engine has no %s yet',
    (name) => {
      const older = new Proxy({}, { get: (_, asked) => (asked === name ? undefined : () => 0) });
      const probe = (): never => {
        throw new Error('called');
      };
      expect(reasonFor({ ...RIGHT, probe, BindingEngine: engineWith(older) })).toBe(
        `the addon is older than this warren (it has no ${name}): ` +
          'in a clone, npm run build:native makes it (needs cargo)',
      );
    },
  );

  it('knows what is broken from what is just not there', () => {
    const absent = join(folder, 'absent.node');
    expect(tryBinding({ file: absent, version: VERSION, load })).toMatchObject({ broken: false });
    for (const exports of [
      null,
      { ...RIGHT, version: () => '9.9.9' },
      { ...RIGHT, BindingEngine: engineWith({}) },
      { ...RIGHT, probe: () => 'splice: EPERM' },
    ]) {
      const result = tryBinding({ file: present, version: VERSION, load: () => exports });
      expect(result).toMatchObject({ broken: true });
    }
    expect(tryBinding({ file: present, version: VERSION, load })).toMatchObject({ broken: true });
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
    expect(loadBinding()).toMatchObject({ binding: RUST });
  });
});
