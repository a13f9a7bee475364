/**
 * The folder of the package `warren`: what `files` in package.json names, TypeScript compiled anew, the
 * C++ addon's prebuilds, and the manifest that users get. That one has what the clone's cannot have:
 * the platform packages, of exactly this version, as optional dependencies.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { keepReachedDeclarations } from './declarations.mjs';
import { addNativeFile } from './native-files.mjs';
import { pack } from './npm.mjs';
import { HERE, ROOT } from './targets.mjs';

/** The only script that is of use in an installed package. */
const SCRIPT = 'build:addon';

export function stageMainPackage(folder, manifest, engines, prebuilds) {
  mkdirSync(folder, { recursive: true });
  writeManifest(folder, manifest, engines);
  compile(join(folder, 'dist'));
  for (const file of listedFiles()) copy(join(ROOT, file), join(folder, file));
  unlinkBenchmark(join(folder, 'README.md'));
  // Not at the root: it says why.
  copy(join(ROOT, 'binding.gyp'), join(folder, 'native/addon/binding.gyp'));
  for (const { source, machine, file } of prebuilds) {
    addNativeFile(source, join(folder, 'prebuilds', file), machine, manifest.version);
  }
  return folder;
}

/** Without what is only for those who work in the clone. `private` keeps the clone itself unpublished. */
function writeManifest(folder, manifest, engines) {
  const { private: _, devDependencies, overrides, imports, scripts, ...published } = manifest;
  const own = {
    ...published,
    scripts: { [SCRIPT]: scripts[SCRIPT] },
    optionalDependencies: Object.fromEntries(
      engines.map(({ packageName }) => [packageName, manifest.version]),
    ),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
}

/**
 * Not the clone's `dist`, in which there may be files whose sources are gone. Comments are for readers
 * of the sources, and a tenth of the package; declarations keep theirs, which editors show.
 */
function compile(dist) {
  tsc('--emitDeclarationOnly', '--outDir', dist);
  keepReachedDeclarations(dist, 'index.d.ts');
  const withoutDeclarations = ['--declaration', 'false', '--isolatedDeclarations', 'false'];
  tsc('--removeComments', ...withoutDeclarations, '--outDir', dist);
  indentByTabs(dist);
}

/** Four spaces for each level, as tsc writes them, are an eighth of the program. */
function indentByTabs(folder) {
  const program = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
  const config = join(ROOT, 'native/packages/indent.json');
  const args = ['format', '--write', `--config-path=${config}`, '--log-level=error', '.'];
  execFileSync(process.execPath, [program, ...args], { cwd: folder, stdio: 'ignore' });
}

function tsc(...options) {
  const program = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [program, '-p', join(ROOT, 'ts'), ...options], {
    stdio: 'inherit',
  });
}

/** The page and its pictures would be a sixth of the package; there its name is no link. */
function unlinkBenchmark(readme) {
  const text = readFileSync(readme, 'utf8');
  writeFileSync(readme, text.replaceAll(/\[([^\]]+)\]\(docs\/benchmark\.md\)/g, '$1'));
}

/** By the rules of npm, which knows `files`. */
function listedFiles() {
  const [{ files }] = pack([ROOT]);
  const isMadeHere = /^(?:dist|prebuilds)\/|^package\.json$/;
  return files.map(({ path }) => path).filter((path) => !isMadeHere.test(path));
}

/**
 * Those in `prebuilds/`. What was built here is taken for this machine's own, but in a release: it needs
 * this machine's libraries.
 */
export function findPrebuilds(prebuilds, isRelease) {
  const found = !existsSync(prebuilds)
    ? []
    : readdirSync(prebuilds, { recursive: true })
        .filter((file) => file.endsWith('.node'))
        .map((file) => ({ source: join(prebuilds, file), file, machine: machineOf(file) }));
  if (isRelease) {
    if (found.length === 0)
      throw new Error(`a release has prebuilt C++ addons, none in ${prebuilds}`);
    return found;
  }
  const local = join(ROOT, 'build/Release/warren_addon.node');
  const { platform, arch, libc } = HERE;
  const name = libc === undefined ? 'warren.node' : `warren.${libc}.node`;
  const file = join(`${platform}-${arch}`, name);
  if (!existsSync(local) || found.some((other) => other.file === file)) return found;
  return [...found, { source: local, file, machine: HERE }];
}

/** By the rules of node-gyp-build: `linux-x64/warren.glibc.node`. */
function machineOf(file) {
  const [platform, arch] = dirname(file).split('-');
  const libc = basename(file)
    .split('.')
    .find((tag) => tag === 'glibc' || tag === 'musl');
  return { platform, arch, libc };
}

function copy(source, destination) {
  mkdirSync(dirname(destination), { recursive: true });
  copyFileSync(source, destination);
}
