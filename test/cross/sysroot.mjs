/**
 * The C libraries of other systems, from Debian's packages, unpacked into a cache: nothing of them is
 * installed on this machine.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

const MIRROR = 'http://deb.debian.org/debian';
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Oldest first: what runs on an old glibc runs on a new one. The first musl that Node's wheels run on. */
const SOURCES = {
  glibc: {
    suites: ['bullseye', 'bookworm'],
    packages: ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'],
  },
  musl: { suites: ['trixie'], packages: ['musl'] },
};

/** `{ folder, suite }`. @throws Error with what is missing */
export function provideSysroot(libc, arch, cache) {
  const { suites, packages } = SOURCES[libc];
  const folders = suites.map((suite) => ({
    suite,
    folder: join(cache, `${suite}-${libc}-${arch}`),
  }));
  const there = folders.find(({ folder }) => existsSync(folder));
  if (there !== undefined) return there;
  if (!existsSync(KEYS)) throw new Error(`no ${KEYS}: apt install debian-archive-keyring`);
  let problem;
  for (const one of folders) {
    try {
      unpack(one, arch, packages);
      return one;
    } catch (error) {
      problem = error;
    }
  }
  throw new Error(
    `no ${libc} for ${arch} from Debian: ${problem.message.trim().split('\n').at(-1)}`,
  );
}

function unpack({ suite, folder }, arch, packages) {
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  const [debs, root] = ['debs', 'root'].map((name) => join(work, name));
  try {
    for (const name of ['debs', 'root', 'lists/partial', 'archives/partial']) {
      mkdirSync(join(work, name), { recursive: true });
    }
    writeFileSync(join(work, 'sources.list'), `deb [signed-by=${KEYS}] ${MIRROR} ${suite} main\n`);
    apt(work, arch, debs, 'update');
    apt(work, arch, debs, 'download', ...packages);
    for (const file of readdirSync(debs))
      execFileSync('dpkg', ['--extract', join(debs, file), root]);
    if (packages.includes('musl')) complete(root);
    makeLinksRelative(root, root);
    renameSync(root, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** apt with lists and state of its own: it knows nothing of this machine, and changes nothing. */
function apt(work, arch, cwd, ...words) {
  const options = [
    `APT::Architecture=${arch}`,
    `APT::Architectures=${arch}`,
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    `Dir::Etc::SourceList=${join(work, 'sources.list')}`,
    'Dir::Etc::SourceParts=-',
    `Dir::State::Lists=${join(work, 'lists')}`,
    'Dir::State::Status=/dev/null',
    `Dir::Cache=${work}`,
  ];
  const args = ['-q', ...options.flatMap((option) => ['-o', option]), ...words];
  execFileSync('apt-get', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
}

/** What that package leaves out: /lib, which is a link there, and what musl's `ldd` is on Alpine. */
function complete(root) {
  if (!existsSync(join(root, 'lib'))) symlinkSync('usr/lib', join(root, 'lib'));
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  const [loader] = readdirSync(join(root, 'lib')).filter((name) => name.startsWith('ld-musl-'));
  writeFileSync(join(root, 'usr/bin/ldd'), `#!/bin/sh\nexec /lib/${loader} --list -- "$@"\n`);
}

/** Absolute ones would lead to this machine's own. */
function makeLinksRelative(folder, root) {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const stats = lstatSync(file);
    if (stats.isDirectory()) makeLinksRelative(file, root);
    if (!stats.isSymbolicLink() || !readlinkSync(file).startsWith('/')) continue;
    const target = relative(dirname(file), join(root, readlinkSync(file)));
    unlinkSync(file);
    symlinkSync(target, file);
  }
}
