/** What is in the packages, what is not, how large it is, and what cannot be packed. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { run, succeed } from './commands.ts';
import { newFolder, readManifest, scene, variant } from './scene.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACK = join(ROOT, 'native/packages/pack.mjs');
const MOST_BYTES = 1024 * 1024;
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];

const ALLOWED = [
  /^dist\/[\w/-]+\.(js|d\.ts)$/,
  /^docs\/(?!benchmark)[\w-]+\.(md|1)$/,
  /^examples\/[\w-]+\/[\w@./-]+$/,
  /^native\/addon\/(\.clang-format|binding\.gyp|build\.mjs|\w+\.(cc|h))$/,
  /^native\/(toolchain|checksum)\.mjs$/,
  /^prebuilds\/\w+-\w+\/warren(\.glibc|\.musl)?\.node(\.sha256)?$/,
  /^(package\.json|README\.md|ARCHITECTURE\.md|GLOSSARY\.md|LICENSE)$/,
];

interface Packed {
  readonly unpackedSize: number;
  readonly size: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

const options = { cwd: ROOT, env: { ...process.env, npm_config_loglevel: 'error' } as never };
const warren = join(scene.staged, 'warren');

describe('warren', () => {
  let packed: Packed;
  let paths: readonly string[];

  beforeAll(async () => {
    const command = ['npm', 'pack', '--dry-run', '--json', warren] as const;
    packed = Object.values(JSON.parse(await succeed(command, options)))[0] as Packed;
    paths = packed.files.map(({ path }) => path);
  });

  it('has nothing but what is known', () => {
    expect(paths.filter((path) => !ALLOWED.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  it('has what is needed to run, to read, and to build the C++ addon', () => {
    const listed = (folder: string) =>
      readdirSync(join(ROOT, folder), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => `${folder}/${name}`);
    const program = ['dist/cli.js', 'dist/index.js', 'dist/index.d.ts'];
    const build = [
      'native/addon/binding.gyp',
      'native/toolchain.mjs',
      'native/checksum.mjs',
      ...listed('native/addon'),
    ];
    // The benchmark and its pictures are for who reads the repository.
    const docs = listed('docs').filter((path) => path !== 'docs/benchmark.md');
    const pages = ['README.md', 'ARCHITECTURE.md', 'GLOSSARY.md', 'LICENSE', ...docs];
    for (const path of [...program, ...pages, ...build]) {
      expect(paths).toContain(path);
    }
  });

  it('leads to no module and no declaration that is not in it', () => {
    const lost: string[] = [];
    for (const path of paths.filter((name) => /^dist\/.*\.(js|ts)$/.test(name))) {
      const text = readFileSync(join(warren, path), 'utf8');
      for (const [, target = ''] of text.matchAll(/\b(?:from|import\()\s*['"](\.[^'"]+)['"]/g)) {
        const file = join(dirname(path), path.endsWith('.d.ts') ? declaration(target) : target);
        if (!paths.includes(file)) lost.push(`${path}: ${target}`);
      }
    }
    expect(lost).toEqual([]);
  });

  it('leads from its pages to no file that is not in it', () => {
    const isThere = (path: string): boolean =>
      paths.some((each) => each === path || each.startsWith(`${path.replace(/\/$/, '')}/`));
    const pages = paths.filter((name) => name.endsWith('.md'));
    const lost = pages.flatMap((page) => {
      const text = readFileSync(join(warren, page), 'utf8');
      const files = [...text.matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)].map(([, file = '']) => file);
      return files
        .filter((file) => !file.includes('://') && !isThere(join(dirname(page), file)))
        .map((file) => `${page}: ${file}`);
    });
    expect(pages.length).toBeGreaterThan(10);
    expect(lost).toEqual([]);
  });

  it('is below 1 MiB', () => {
    const kib = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`;
    const prebuilds = packed.files.filter(({ path }) => path.startsWith('prebuilds/'));
    const addons = prebuilds.reduce((sum, { size }) => sum + size, 0);
    const { length } = prebuilds.filter(({ path }) => path.endsWith('.node'));
    process.stdout.write(
      `warren: ${kib(packed.unpackedSize)} in ${paths.length} files, of these ${kib(addons)} for ` +
        `${length} prebuilt addons; tarball ${kib(packed.size)}\n`,
    );
    expect(packed.unpackedSize).toBeLessThan(MOST_BYTES);
  });

  it('names exactly the platform packages that were packed, of its own version', () => {
    const { version, optionalDependencies, ...rest } = readManifest(warren);
    const engines = scene.engine === null ? {} : { [scene.engine.packageName]: version };
    expect(optionalDependencies).toEqual(engines);
    expect(rest).toMatchObject({ gypfile: false });
    for (const key of ['private', 'devDependencies', 'overrides', 'imports'])
      expect(rest).not.toHaveProperty(key);
  });
});

describe('a platform package', () => {
  it('says which systems it is for', ({ skip }) => {
    const { engine } = scene;
    if (engine === null) return skip('native/warren.node is not built (npm run build:native)');
    const name = engine.packageName.replace(/^.*engine-/, '');
    const file = `warren.${name}.node`;
    const manifest = readManifest(engine.folder);
    expect(manifest).toMatchObject({
      version: readManifest(warren).version,
      main: file,
      files: [file, `${file}.sha256`],
      os: [process.platform],
      cpu: [process.arch],
      license: 'Apache-2.0',
      engines: readManifest(ROOT)['engines'],
    });
    expect(manifest['libc']).toEqual(/-(musl|gnu)/.test(name) ? [libcOf(name)] : undefined);
    expect(readdirSync(engine.folder).sort()).toEqual(
      [file, `${file}.sha256`, 'LICENSE', 'README.md', 'package.json'].sort(),
    );
  });
});

describe('scripts', () => {
  it('run at the installation of none of our packages', () => {
    for (const folder of readdirSync(scene.staged)) {
      if (!existsSync(join(scene.staged, folder, 'package.json'))) continue;
      const { scripts = {} } = readManifest(join(scene.staged, folder));
      expect(INSTALL_SCRIPTS.filter((name) => name in scripts)).toEqual([]);
    }
  });

  it('run at the installation of nothing that warren depends on', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: true; hasInstallScript?: true }>;
    };
    const used = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
  });
});

describe('what cannot be packed', () => {
  const pack = (...args: string[]) => run([process.execPath, PACK, ...args], options);

  it.skipIf(scene.engine === null)('a binary for another system than its name says', async () => {
    const artifacts = newFolder('artifacts');
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    copyFileSync(binary(), join(artifacts, `warren.darwin-${other}.node`));
    const out = join(newFolder('out'), 'packages');
    const { code, output } = await pack('--artifacts', artifacts, '--out', out);
    expect(code).toBe(1);
    expect(output).toMatch(/^pack:all: .*darwin-\w+\.node is built for /m);
  });

  it.skipIf(scene.engine === null)('a binary that is not what its checksum says', async () => {
    const artifacts = newFolder('artifacts');
    const file = join(artifacts, binary().replace(/^.*\//, ''));
    copyFileSync(binary(), file);
    writeFileSync(`${file}.sha256`, `${'0'.repeat(64)}  ${file}\n`);
    const out = join(newFolder('out'), 'packages');
    const { code, output } = await pack('--artifacts', artifacts, '--out', out);
    expect(code).toBe(1);
    expect(output).toContain('SHA-256');
  });

  it('a release without all targets', async () => {
    const args = ['--complete', '--artifacts', newFolder('artifacts')];
    const { code, output } = await pack(...args, '--out', join(newFolder('out'), 'packages'));
    expect(code).toBe(1);
    expect(output).toContain('warren.win32-arm64-msvc.node');
  });

  it('over files of somebody else', async () => {
    const { code, output } = await pack('--out', ROOT);
    expect(code).toBe(1);
    expect(output).toContain('is not empty');
  });

  it.skipIf(scene.engine === null)('versions that differ', async () => {
    const check = (call: string) =>
      run(
        [
          ...([process.execPath, '--input-type=module', '-e'] as const),
          `const v = await import(${JSON.stringify(join(ROOT, 'native/packages/versions.mjs'))}); ${call}`,
        ],
        options,
      );
    const built = await check(`v.checkBuiltVersion(${JSON.stringify(binary())}, '9.9.9')`);
    expect(built.output).toMatch(/is of version \S+, package\.json of 9\.9\.9: build it again/);
    const clone = variant(manifests(), { version: '9.9.9' });
    const crates = await check(`v.releaseVersion(${JSON.stringify(`${clone}/`)})`);
    expect(crates.output).toMatch(/package\.json has version 9\.9\.9, Cargo\.toml \d/);
  });
});

/** Of a clone, what has its version. */
function manifests(): string {
  const folder = newFolder('root');
  for (const name of ['package.json', 'Cargo.toml'])
    copyFileSync(join(ROOT, name), join(folder, name));
  return folder;
}

function binary(): string {
  const folder = scene.engine?.folder ?? '';
  return join(folder, String(readManifest(folder)['main']));
}

function declaration(target: string): string {
  return target.replace(/\.[jt]s$/, '.d.ts');
}

function libcOf(name: string): string {
  return name.includes('musl') ? 'musl' : 'glibc';
}
