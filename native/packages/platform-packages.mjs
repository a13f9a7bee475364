/**
 * The folders of the platform packages: manifest by `napi create-npm-dirs`, the engine's binary, its
 * checksum, a short README and the licence.
 */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { NapiCli } from '@napi-rs/cli';
import { addNativeFile } from './native-files.mjs';
import { binaryName, packageName, ROOT, TARGETS, targetHere } from './targets.mjs';

/** The binary of each target that has one. What was built here is taken for this machine's own. */
export function findBinaries(artifacts) {
  const local = join(ROOT, 'native/warren.node');
  return TARGETS.flatMap((target) => {
    const artifact = join(artifacts, target.file);
    if (existsSync(artifact)) return [{ target, source: artifact }];
    const isBuiltHere = target === targetHere() && existsSync(local);
    return isBuiltHere ? [{ target, source: local }] : [];
  });
}

/** Their folders in `out`, named after the targets. */
export async function stagePlatformPackages(binaries, out, manifest) {
  if (binaries.length > 0) await createManifests(binaries, out, manifest);
  return binaries.map(({ target, source }) => {
    const folder = join(out, target.name);
    completeManifest(join(folder, 'package.json'), target);
    writeFileSync(join(folder, 'README.md'), readme(target));
    copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
    addNativeFile(source, join(folder, target.file), target, manifest.version);
    return folder;
  });
}

/** It takes all targets of its configuration, so it gets one that has only those that are there. */
async function createManifests(binaries, out, manifest) {
  const { version, license, engines, publishConfig, repository } = manifest;
  const work = mkdtempSync(join(out, 'manifests-'));
  const targets = binaries.map(({ target }) => target.triple);
  const write = (name, json) => writeFileSync(join(work, name), JSON.stringify(json));
  try {
    write('package.json', {
      name: manifest.name,
      version,
      license,
      engines,
      publishConfig,
      // npm refuses provenance without it.
      repository,
    });
    write('napi.json', { binaryName, packageName, targets });
    await new NapiCli().createNpmDirs({ cwd: work, configPath: 'napi.json', npmDir: '.' });
    for (const { target } of binaries) {
      renameSync(join(work, target.name), join(out, target.name));
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What is not napi-rs': the checksum, a text of its own, and the C library of 32-bit ARM. */
function completeManifest(file, { name, libc, file: binary }) {
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  manifest.description = `The Rust engine of warren for ${name}`;
  manifest.files = [binary, `${binary}.sha256`];
  if (libc !== undefined) manifest.libc = [libc];
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

function readme({ packageName: name, triple, file }) {
  return `# ${name}

The Rust engine of [warren](https://www.npmjs.com/package/warren) for ${triple}.

It is an optional dependency of \`warren\`, of exactly the same version, and is not to be installed by itself.
\`${file}.sha256\` is the checksum of what was built; warren compares it before it loads the file.
`;
}
