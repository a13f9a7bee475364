/** The machines that a clone is tried on: this one, and what is left of it without some programs. */
import { accessSync, constants, mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const COREUTILS =
  'basename cat chmod comm cp cut date dd df dirname du echo env expr false head hostname id install ln ls ' +
  'md5sum mkdir mkfifo mktemp mv nice nohup nproc od paste printf pwd readlink realpath rm rmdir seq ' +
  'sha256sum sleep sort split stat stty sync tail tee test timeout touch tr true tty uname uniq wc ' +
  'whoami yes';
/** What any machine with Node may have. */
const ORDINARY =
  `node npm npx git sh bash ${COREUTILS} awk cmp diff find getent grep gzip kill ldd ps sed tar ` +
  'which xargs';
/** What tests use where it is. */
const FOR_TESTS =
  'openssl nginx tinyproxy microsocks sshd ssh ssh-keygen scp wrk iperf3 strace systemd-analyze man ' +
  'mandoc groff troff grotty tbl eqn preconv script zsh fish';
const COMPILERS =
  'cc c++ gcc g++ cpp clang clang++ as ld ar ranlib nm strip objcopy make python3 pkg-config';

const words = (text) => text.split(' ');

/**
 * `programs`: those that are left, by name; undefined for all. `lacks`: what `npm run build` must say of
 * each part that cannot be built there.
 */
export const MACHINES = [
  { name: 'everything', lacks: {} },
  {
    name: 'no cargo',
    programs: [...words(ORDINARY), ...words(FOR_TESTS), ...words(COMPILERS)],
    lacks: { rust: 'no cargo' },
  },
  {
    name: 'no compiler',
    programs: [...words(ORDINARY), ...words(FOR_TESTS)],
    lacks: { rust: 'no cargo', addon: 'no C++20 compiler' },
  },
];

/** Variables that would name a program in spite of PATH, or steer what is tried. */
const UNWANTED =
  /^(npm_|INIT_CWD$|WARREN_(ENGINE|THREADS|TEST)|(CARGO|RUSTC|CC|CXX|CPP|LD|AR|MAKE|PYTHON|NODE_GYP_FORCE_PYTHON)$)/;

/** The environment of a process on that machine; its programs are links in a folder of their own. */
export function environmentOf({ programs }, folder) {
  const kept = Object.entries(process.env).filter(([name]) => !UNWANTED.test(name));
  const env = { ...Object.fromEntries(kept), CI: 'true', NO_COLOR: '1' };
  if (programs === undefined) return env;
  mkdirSync(folder);
  for (const name of programs) {
    const file = name === 'node' ? process.execPath : find(name);
    if (file !== undefined) symlinkSync(file, join(folder, name));
  }
  return { ...env, PATH: folder };
}

function find(name) {
  // sshd and nginx are where not every PATH leads to.
  const folders = [...process.env.PATH.split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
