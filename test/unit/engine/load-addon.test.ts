/** Where the C++ addon is looked for, and why one is not taken. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LoadedAddon, loadAddon, tryAddon } from '../../../ts/engine/load-addon.ts';
import { platformOf, thisMachine } from '../../../ts/engine/platform.ts';
import { packageVersion } from '../../../ts/package-version.ts';

const VERSION = packageVersion();
const HERE = loadAddon();
const BUILT = 'binding' in HERE ? HERE : undefined;
const REMEDY =
  'npm run build:addon in the folder of warren makes it (needs a C++20 compiler, make and python3)';
const PREBUILT = `prebuilds/${process.platform}-${process.arch}/warren`;

let root: string;
let local: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'warren-addon-')));
  local = join(root, 'build/Release/warren_addon.node');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

function put(file: string, content?: string): void {
  mkdirSync(dirname(file), { recursive: true });
  if (content !== undefined) writeFileSync(file, content);
  else copyFileSync((BUILT as LoadedAddon).file, file);
}

function attempt(
  load: (file: string) => unknown = createRequire(import.meta.url),
  version = VERSION,
) {
  return tryAddon({ folder: root, version, load });
}

/** Of one that is there and is not taken. */
function reasonOf(...args: Parameters<typeof attempt>): string {
  const result = attempt(...args);
  if ('binding' in result) return 'taken';
  expect(result.broken).toBe(true);
  expect(result.reason).not.toContain('\n');
  return result.reason;
}

describe.skipIf(BUILT === undefined)('an addon that works', () => {
  it.each([
    ['that was built here', 'build/Release/warren_addon.node'],
    ['that was prebuilt', `${PREBUILT}.node`],
    ['that was prebuilt for this C library', `${PREBUILT}.${process.env['LIBC'] ?? 'glibc'}.node`],
  ])('is taken: one %s', (_, path) => {
    put(join(root, path));
    const result = attempt();
    expect(result).toMatchObject({ file: join(root, path) });
    expect((result as LoadedAddon).binding.version()).toBe(VERSION);
  });

  it('is the one that was built here, before the one that was prebuilt', () => {
    put(local);
    put(join(root, `${PREBUILT}.node`), 'damaged');
    expect(attempt()).toMatchObject({ file: local });
  });

  it('is the one for this C library, before the one for any', () => {
    put(join(root, `${PREBUILT}.node`), 'damaged');
    put(join(root, `${PREBUILT}.glibc.node`));
    expect(attempt()).toMatchObject({ file: join(root, `${PREBUILT}.glibc.node`) });
  });

  it('is the one that was prebuilt where what was built here is damaged, which is told', () => {
    const { libc } = thisMachine();
    const prebuilt = join(
      root,
      libc === undefined ? `${PREBUILT}.node` : `${PREBUILT}.${libc}.node`,
    );
    put(local, 'damaged');
    put(prebuilt);
    const passedOver = [expect.stringContaining(local)];
    expect(attempt()).toMatchObject({ file: prebuilt, passedOver });
  });

  it('is the one for musl also where that is not Alpine', () => {
    const machine = { ...thisMachine(), libc: 'musl' as const };
    put(join(root, `${PREBUILT}.glibc.node`));
    put(join(root, `${PREBUILT}.musl.node`));
    // It is a copy of the other, which is why it is refused then.
    const result = tryAddon({ folder: root, version: VERSION, machine, load: vi.fn() });
    expect(result).toMatchObject({ reason: expect.stringContaining(`${PREBUILT}.musl.node`) });
  });

  it('is the same every time', () => {
    expect(loadAddon()).toBe(loadAddon());
  });

  it('is not taken by a warren of another version', () => {
    put(local);
    expect(reasonOf(undefined, '99.0.0')).toBe(
      `${local} is of version ${VERSION}, warren of 99.0.0: ${REMEDY}`,
    );
  });

  it('is not taken when it is not what its checksum says', () => {
    put(local);
    const sum = createHash('sha256').update(readFileSync(local)).digest('hex');
    writeFileSync(`${local}.sha256`, `${sum}  warren_addon.node\n`);
    expect(attempt()).toMatchObject({ file: local });
    const bytes = readFileSync(local);
    const at = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(local, bytes);
    expect(reasonOf()).toContain(local);
  });

  it.each([0, 10, 4_096, 20_000, -1])('is never loaded when it was cut to %i bytes', (length) => {
    put(local);
    truncateSync(local, length < 0 ? readFileSync(local).length + length : length);
    const load = vi.fn();
    const reason = reasonOf(load);
    expect(reason.startsWith(`${local} `)).toBe(true);
    expect(reason.endsWith(REMEDY)).toBe(true);
    expect(load).not.toHaveBeenCalled();
  });
});

describe('no addon', () => {
  it('tells what to build, and that nothing is broken', () => {
    expect(attempt()).toEqual({
      reason: `not built for ${platformOf(thisMachine()).name} (nothing in build/Release and prebuilds of ${root}): ${REMEDY}`,
      broken: false,
    });
  });

  it('looks for none on Windows', () => {
    put(local, 'whatever');
    vi.spyOn(process, 'platform', 'get').mockReturnValue('win32');
    const load = vi.fn();
    expect(attempt(load)).toEqual({
      reason: "cannot be: Node's sockets have no descriptors on Windows",
      broken: false,
    });
    expect(load).not.toHaveBeenCalled();
  });
});

describe.skipIf(BUILT === undefined)('a file that loads and is of no use', () => {
  const good = { version: () => VERSION, probe: () => null, RelayThread: class {} };
  beforeEach(() => put(local));

  it.each([null, undefined, 'text', 7, {}, { version: VERSION }])(
    'is something else: %j',
    (binding) => {
      expect(reasonOf(() => binding)).toBe(`${local} is not warren's addon: ${REMEDY}`);
    },
  );

  it.each([
    ['probe', { ...good, probe: undefined }],
    ['RelayThread', { ...good, RelayThread: undefined }],
  ])('lacks %s', (_, binding) => {
    expect(reasonOf(() => binding)).toBe(`${local} is older than this warren: ${REMEDY}`);
  });

  it('is asked nothing but its version when that is another', () => {
    const probe = vi.fn();
    const binding = { ...good, version: () => '0.0.1', probe };
    expect(reasonOf(() => binding)).toBe(
      `${local} is of version 0.0.1, warren of ${VERSION}: ${REMEDY}`,
    );
    expect(probe).not.toHaveBeenCalled();
  });

  it('says itself that it cannot work here', () => {
    const binding = { ...good, probe: () => 'thread: Resource temporarily unavailable' };
    expect(reasonOf(() => binding)).toBe(
      `${local} does not work here: thread: Resource temporarily unavailable`,
    );
  });

  it.each([
    [
      'load',
      () => {
        throw new Error('undefined symbol:\n  napi_none');
      },
    ],
    [
      'version',
      () => ({
        ...good,
        version: () => {
          throw new Error('undefined symbol:\n  napi_none');
        },
      }),
    ],
    [
      'probe',
      () => ({
        ...good,
        probe: () => {
          throw new Error('undefined symbol:\n  napi_none');
        },
      }),
    ],
  ])('throws in %s', (_, load) => {
    expect(reasonOf(load)).toContain('undefined symbol: napi_none');
  });
});
