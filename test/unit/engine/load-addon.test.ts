import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AddonSource, loadAddon, tryAddon } from '../../../ts/engine/load-addon.ts';
import { thisMachine } from '../../../ts/engine/platform.ts';
import { ADDON } from '../../helpers/addon-binding.ts';

const VERSION = '1.2.3';
const HERE = thisMachine();
const RIGHT = { version: () => VERSION, probe: () => null, RelayThread: class {} };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warren-addon-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function source(over: Partial<AddonSource> = {}): AddonSource {
  return { folder, version: VERSION, load: () => RIGHT, ...over };
}

/** A copy of the one that is built. */
function place(file: string, from = loadedFile()): string {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(from, path);
  return path;
}

function loadedFile(): string {
  const loaded = loadAddon();
  if ('file' in loaded) return loaded.file;
  throw new Error(loaded.reason);
}

function reason(over: Partial<AddonSource> = {}): string {
  const result = tryAddon(source(over));
  return 'reason' in result ? result.reason : 'taken';
}

describe('tryAddon', () => {
  it('says where it looked, for what, and what to do', () => {
    const result = tryAddon(source());
    expect(result).toMatchObject({ broken: false });
    expect(reason()).toContain(folder);
    expect(reason()).toContain(`not built for ${HERE.platform}-${HERE.arch}`);
    expect(reason()).toContain('npm run build:addon');
  });

  it('is nothing for Windows', () => {
    const machine = { ...HERE, platform: 'win32', libc: undefined };
    expect(tryAddon(source({ machine }))).toMatchObject({ broken: false });
    expect(reason({ machine })).toContain('Windows');
  });

  it('does not load what is no library', () => {
    mkdirSync(join(folder, 'build/Release'), { recursive: true });
    const file = join(folder, 'build/Release/warren_addon.node');
    writeFileSync(file, 'these bytes are no shared library');
    const load = (): never => {
      throw new Error('loaded');
    };
    expect(tryAddon(source({ load }))).toMatchObject({ broken: true });
    expect(reason({ load })).toContain(file);
    expect(reason({ load })).not.toContain('loaded:');
  });
});

describe.skipIf(ADDON === undefined)('tryAddon, with one that is built', () => {
  it('takes what is built before what is prebuilt', () => {
    const built = place('build/Release/warren_addon.node');
    const prebuilt = place(`prebuilds/${HERE.platform}-${HERE.arch}/warren.node`);
    expect(tryAddon(source())).toMatchObject({ file: built });
    rmSync(built);
    expect(tryAddon(source())).toMatchObject({ file: prebuilt });
  });

  it('takes the one for musl on systems with musl that are not Alpine', () => {
    const prebuilds = `prebuilds/${HERE.platform}-${HERE.arch}`;
    place(`${prebuilds}/warren.glibc.node`);
    const musl = place(`${prebuilds}/warren.musl.node`);
    const found = reason({ machine: { ...HERE, libc: 'musl' } });
    // It is a copy of the other, which is why it is refused then.
    expect(found).toContain(musl);
  });

  it.each([
    ['of another version', { ...RIGHT, version: () => '1.2.4' }, 'is of version 1.2.4'],
    ['that lacks a function', { ...RIGHT, RelayThread: undefined }, 'is older than this warren'],
    ['of somebody else', { hello: 1 }, "is not warren's addon"],
    ['that does not work here', { ...RIGHT, probe: () => 'thread: EAGAIN' }, 'thread: EAGAIN'],
  ])('refuses one %s', (_, exports, words) => {
    const file = place('build/Release/warren_addon.node');
    expect(tryAddon(source({ load: () => exports }))).toMatchObject({ broken: true });
    expect(reason({ load: () => exports })).toContain(words);
    expect(reason({ load: () => exports })).toContain(file);
  });

  it('outlives a loader that throws, with its words in one line', () => {
    const file = place('build/Release/warren_addon.node');
    const load = (): never => {
      throw new Error('cannot open\nshared object');
    };
    expect(reason({ load })).toContain(`${file} cannot be loaded: cannot open`);
    expect(reason({ load })).not.toContain('\n');
  });

  it('is the real one', () => {
    const file = place('build/Release/warren_addon.node');
    const load = createRequire(import.meta.url);
    const { version } = createRequire(import.meta.url)('../../../package.json') as {
      version: string;
    };
    expect(tryAddon(source({ load, version }))).toMatchObject({ file });
  });
});
