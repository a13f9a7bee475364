/** Where the addon of the Rust engine is looked for, in the layouts that package managers make. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BINDING_FILE,
  type FoundBinding,
  findBinding,
  loadBinding,
} from '../../../ts/engine/load-binding.ts';
import { PREBUILT, platformOf, thisMachine } from '../../../ts/engine/platform.ts';
import { packageVersion } from '../../../ts/package-version.ts';
import { RUST } from '../../helpers/rust-binding.ts';

const VERSION = packageVersion();
const PLATFORM = platformOf(thisMachine());
const NAME = `@warren-tunnel/engine-${PLATFORM.name}`;
const FILE = `warren.${PLATFORM.name}.node`;

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'warren-binding-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A warren that is installed in this folder, without any addon. */
function warrenIn(folder: string, version = VERSION) {
  mkdirSync(join(folder, 'dist'), { recursive: true });
  const require = createRequire(join(folder, 'dist/module.js'));
  return { folder, version, platform: PLATFORM, require };
}

interface Package {
  readonly version?: string;
  /** Undefined: the real addon. */
  readonly content?: string;
}

/** The platform's package, installed in this folder of packages. */
function packageIn(modules: string, { version = VERSION, content }: Package = {}): string {
  const folder = join(modules, NAME);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: NAME, version, main: FILE }));
  put(join(folder, FILE), content);
  return folder;
}

function put(file: string, content: string | undefined): void {
  mkdirSync(dirname(file), { recursive: true });
  if (content === undefined) copyFileSync(BINDING_FILE, file);
  else writeFileSync(file, content);
}

function found(result: ReturnType<typeof findBinding>): FoundBinding {
  if ('reason' in result) throw new Error(`not found: ${result.reason}`);
  return result;
}

describe.skipIf(RUST === undefined)('an addon that works', () => {
  it('is that of the package, hoisted beside warren', () => {
    const modules = join(root, 'node_modules');
    const folder = packageIn(modules);
    const result = found(findBinding(warrenIn(join(modules, 'warren'))));
    expect(result).toMatchObject({ file: join(folder, FILE), passedOver: [] });
    expect(result.binding.version()).toBe(VERSION);
  });

  it('is that of the package, nested in warren', () => {
    const warren = join(root, 'node_modules/warren');
    const folder = packageIn(join(warren, 'node_modules'));
    // Another program's, of another version, is nearer to the root.
    packageIn(join(root, 'node_modules'), { version: '9.9.9' });
    expect(found(findBinding(warrenIn(warren))).file).toBe(join(folder, FILE));
  });

  it('is that of the package, behind the links of pnpm', () => {
    const store = join(root, 'node_modules/.pnpm');
    const real = packageIn(join(store, `${NAME.replace('/', '+')}@${VERSION}/node_modules`));
    const warren = join(store, `warren@${VERSION}/node_modules/warren`);
    const link = join(store, `warren@${VERSION}/node_modules/@warren-tunnel`);
    mkdirSync(link, { recursive: true });
    symlinkSync(real, join(link, NAME.slice(NAME.indexOf('/') + 1)), 'junction');
    expect(found(findBinding(warrenIn(warren))).file).toBe(join(real, FILE));
  });

  it('is that of the clone, before the package', () => {
    const warren = join(root, 'warren');
    packageIn(join(root, 'node_modules'));
    put(join(warren, 'native/warren.node'), undefined);
    const result = found(findBinding(warrenIn(warren)));
    expect(result).toMatchObject({ file: join(warren, 'native/warren.node'), passedOver: [] });
  });

  it('is named by the file that it really is', () => {
    const warren = join(root, 'warren');
    mkdirSync(join(warren, 'native'), { recursive: true });
    symlinkSync(BINDING_FILE, join(warren, 'native/warren.node'));
    expect(found(findBinding(warrenIn(warren))).file).toBe(realpathSync(BINDING_FILE));
  });

  it('is that of the package where that of the clone is damaged, and the damage is told', () => {
    const warren = join(root, 'warren');
    const folder = packageIn(join(root, 'node_modules'));
    const local = join(warren, 'native/warren.node');
    put(local, '');
    expect(findBinding(warrenIn(warren))).toMatchObject({
      file: join(folder, FILE),
      passedOver: [`${local} is empty: in a clone, npm run build:native makes it (needs cargo)`],
    });
  });

  it('is the same every time', () => {
    expect(loadBinding()).toBe(loadBinding());
    expect(loadBinding()).toMatchObject({ binding: RUST });
  });
});

describe('no addon that works', () => {
  it('tells what a clone has to build', () => {
    mkdirSync(join(root, 'ts'));
    expect(findBinding(warrenIn(root))).toEqual({
      reason: `not built for ${PLATFORM.name} (no file ${join(root, 'native/warren.node')}): npm run build:native makes it (needs cargo)`,
      broken: false,
    });
  });

  it('tells which package is not there, what may be why, and how to get it', () => {
    const platform = { name: PLATFORM.name, enginePackage: NAME };
    const reason = `no package ${NAME} (optional dependencies were left out, the lock file is of another platform, or the registry lacks it): npm install ${NAME}@1.2.3`;
    const owner = { ...warrenIn(root, '1.2.3'), platform };
    expect(findBinding(owner)).toEqual({ reason, broken: false });
  });

  it('looks for no package where there is none for the platform', () => {
    packageIn(join(root, 'node_modules'), { content: '' });
    const platform = { name: 'linux-riscv64-gnu', enginePackage: undefined };
    expect(findBinding({ ...warrenIn(root), platform })).toEqual({
      reason:
        'not prebuilt for linux-riscv64-gnu: in a clone, npm run build:native makes it (needs cargo)',
      broken: false,
    });
  });
});

describe.skipIf(PLATFORM.enginePackage === undefined)('a package that is of no use', () => {
  function reasonOf(version?: string): string {
    const result = findBinding(warrenIn(join(root, 'node_modules/warren'), version));
    if ('binding' in result) return 'taken';
    expect(result.broken).toBe(true);
    return result.reason;
  }

  it.each(['0.0.9', '99.0.0'])('is of another version: %s', (version) => {
    packageIn(join(root, 'node_modules'), { version, content: '' });
    expect(reasonOf()).toBe(
      `${NAME} is of version ${version}, warren of ${VERSION}: npm install ${NAME}@${VERSION}`,
    );
  });

  it.skipIf(RUST === undefined)('says another version than its addon', () => {
    const folder = packageIn(join(root, 'node_modules'), { version: '99.0.0' });
    expect(reasonOf('99.0.0')).toBe(
      `${join(folder, FILE)} is of version ${VERSION}, warren of 99.0.0: npm install ${NAME}@99.0.0`,
    );
  });

  it('is damaged: npm would keep it, so it has to be removed', () => {
    const folder = packageIn(join(root, 'node_modules'), { content: '' });
    expect(reasonOf()).toBe(`${join(folder, FILE)} is empty: remove ${folder} and install again`);
  });

  it('has lost its addon', () => {
    const folder = packageIn(join(root, 'node_modules'), { content: '' });
    rmSync(join(folder, FILE));
    expect(reasonOf()).toContain(`${join(folder, FILE)} cannot be read: ENOENT`);
  });

  it.each(['{', 'null', '[]', '{"name":"x"}'])('has the manifest %s', (manifest) => {
    const folder = packageIn(join(root, 'node_modules'), { content: '' });
    writeFileSync(join(folder, 'package.json'), manifest);
    const reason = reasonOf();
    expect(reason).toContain(NAME);
    expect(reason).not.toContain('\n');
  });

  it('is told together with a local build that is of no use either', () => {
    const folder = packageIn(join(root, 'node_modules'), { content: '' });
    put(join(root, 'node_modules/warren/native/warren.node'), 'text');
    const [local, prebuilt] = reasonOf().split('; ');
    expect(local).toContain("native/warren.node is no shared library: it begins with 'text'");
    expect(prebuilt).toContain(`${join(folder, FILE)} is empty`);
  });
});

it('knows this platform as one with a package, or not', () => {
  expect(PLATFORM.enginePackage).toBe(PREBUILT.includes(PLATFORM.name) ? NAME : undefined);
});
