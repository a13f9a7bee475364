/**
 * `npm run pack:all`: all packages of a release, as folders and as tarballs: `warren` and, for each
 * system that there is a binary for, a platform package with the Rust engine in it.
 *
 * Binaries are `native/artifacts/warren.<target>.node`, those of the C++ addon
 * `prebuilds/<platform>-<arch>/…`. What was built here, `native/warren.node` and
 * `build/Release/warren_addon.node`, is taken for this machine's own where it has none there.
 *
 *   --out DIR        where to put them; must be empty (default: native/npm, which is emptied)
 *   --artifacts DIR  where the binaries are (default: native/artifacts)
 *   --prebuilds DIR  where the addon's are (default: prebuilds)
 *   --complete       a release: refuse when the binary of a target is missing, take nothing built here
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findPrebuilds, stageMainPackage } from './main-package.mjs';
import { pack } from './npm.mjs';
import { findBinaries, stagePlatformPackages } from './platform-packages.mjs';
import { ROOT, TARGETS, targetHere } from './targets.mjs';
import { releaseVersion } from './versions.mjs';

const OWN_FOLDER = join(ROOT, 'native/npm');

async function packAll(options) {
  const [out, artifacts, prebuilds] = [options.out, options.artifacts, options.prebuilds].map(
    (folder) => resolve(folder),
  );
  const manifest = { ...readManifest(), version: releaseVersion() };
  const binaries = findBinaries(artifacts);
  const targets = binaries.map(({ target }) => target);
  const missing = TARGETS.filter((target) => !targets.includes(target)).map(({ file }) => file);
  if (options.complete && missing.length > 0) {
    throw new Error(`a release has all targets, and not in ${artifacts}: ${missing.join(', ')}`);
  }
  makeEmpty(out);
  const engines = await stagePlatformPackages(binaries, out, manifest);
  const addons = findPrebuilds(prebuilds, options.complete);
  const main = stageMainPackage(join(out, manifest.name), manifest, targets, addons);
  const tarballs = pack([...engines, main], out);
  for (const tarball of tarballs) tell(summary(tarball));
  if (missing.length > 0) tell(`not packed, because not there: ${missing.join(', ')}`);
  const own = [manifest.name, targetHere()?.packageName];
  const files = tarballs
    .filter(({ name }) => own.includes(name))
    .map(({ filename }) => join(out, filename));
  tell(`\non this machine:\n\n    npm install --global ${files.join(' ')}\n`);
}

function readManifest() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
}

/** Only what is known to be ours is removed. */
function makeEmpty(folder) {
  if (folder === OWN_FOLDER) rmSync(folder, { recursive: true, force: true });
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`--out ${folder} is not empty`);
  }
  mkdirSync(folder, { recursive: true });
}

function summary({ filename, size, unpackedSize, entryCount }) {
  const [packed, unpacked] = [size, unpackedSize].map((bytes) => `${Math.ceil(bytes / 1024)} KiB`);
  return `${filename}: ${packed}, unpacked ${unpacked} in ${entryCount} files`;
}

function tell(line) {
  process.stdout.write(`${line}\n`);
}

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: OWN_FOLDER },
    artifacts: { type: 'string', default: join(ROOT, 'native/artifacts') },
    prebuilds: { type: 'string', default: join(ROOT, 'prebuilds') },
    complete: { type: 'boolean', default: false },
  },
});

try {
  await packAll(values);
} catch (error) {
  process.stderr.write(`pack:all: ${error.message}\n`);
  process.exitCode = 1;
}
