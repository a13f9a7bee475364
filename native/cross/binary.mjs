/**
 * What a native file of a release must keep to, whoever built it: its size, and on Linux and FreeBSD
 * the oldest system it runs on and the libraries it asks for, read by `readelf`.
 */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';

/** What Node 20 needs itself. */
export const GLIBC_FLOOR = '2.28';

const LIBRARIES = {
  glibc:
    /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux.*|ld64\.so\..)$/,
  // Its loader takes this for itself, under whatever name it was found.
  musl: /^libc\.so$/,
  freebsd: /^lib(c|m|thr|sys)\.so\.\d+$/,
};

/** @throws Error when it breaks one of the rules. Returns what it found, for people. */
export function checkBinary(file, { platform, libc }, maxBytes) {
  const { size } = statSync(file);
  if (size > maxBytes) throw new Error(`${file} has ${size} bytes, more than ${maxBytes}`);
  const found = [`${Math.ceil(size / 1024)} KiB`];
  const libraries = LIBRARIES[libc ?? platform];
  if (libraries === undefined) return found;
  const needed = readelf(file, '--dynamic', /\(NEEDED\).*\[(.+)\]/g);
  const strange = needed.filter((name) => !libraries.test(name));
  if (strange.length > 0)
    throw new Error(`${file} needs ${strange.join(', ')}, which users may lack`);
  if (libc === 'glibc') {
    const newest = readelf(file, '--version-info', /\bGLIBC_([\d.]+)/g)
      .sort(compareVersions)
      .at(-1);
    if (newest === undefined || compareVersions(newest, GLIBC_FLOOR) > 0) {
      throw new Error(`${file} needs glibc ${newest}, newer than ${GLIBC_FLOOR}`);
    }
    found.push(`glibc ${newest}`);
  }
  return found;
}

/** What the pattern's group has in its output, each once. */
function readelf(file, option, pattern) {
  const output = execFileSync('readelf', ['--wide', option, file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return [...new Set(Array.from(output.matchAll(pattern), ([, found]) => found))];
}

function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left.findIndex((part, index) => part !== (right[index] ?? 0));
  return at === -1 ? left.length - right.length : left[at] - (right[at] ?? 0);
}
