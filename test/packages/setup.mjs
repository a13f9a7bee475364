/**
 * Before the first test: the tools are installed (once), the packages made of what is built in this
 * clone, and the registry started. Node 22 is there for npm 12 and for verdaccio, which want it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TARGETS, targetHere } from '../../native/packages/targets.mjs';
import { cppToolchain } from '../../native/toolchain.mjs';
import { findProgram } from '../helpers/programs.ts';
import { installNode } from '../nodes/install.mjs';
import { Registry } from './registry.ts';

const TOOLS = fileURLToPath(new URL('tools', import.meta.url));
const PACK = fileURLToPath(new URL('../../native/packages/pack.mjs', import.meta.url));

export async function setup(project) {
  const work = mkdtempSync(join(tmpdir(), 'warren-packages-'));
  const undo = [() => rmSync(work, { recursive: true, force: true })];
  const teardown = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    installTools();
    const newer = installNode('22');
    const registryNode = newer.node ?? process.execPath;
    const verdaccio = join(TOOLS, 'node_modules/verdaccio/bin/verdaccio');
    const uplink = npm('config', 'get', 'registry').trim();
    const registry = await Registry.start(join(work, 'registry'), registryNode, verdaccio, uplink);
    undo.push(() => registry.destroy());
    project.provide('packages', {
      work,
      registry: registry.access,
      enginePackages: TARGETS.map(({ packageName }) => packageName),
      npm: realpathSync(findProgram('npm')),
      newerNode: newer,
      noCompiler: cppToolchain().lacks ?? null,
      nodeHeaders: npm('config', 'get', 'nodedir').trim(),
      ...makePackages(join(work, 'staged')),
    });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** By `npm install`, which takes a lock file also where its registry lacks optional ones; `npm ci` does not. */
function installTools() {
  const done = join(TOOLS, 'node_modules/.package-lock.json');
  const isNewer = (file) => statSync(join(TOOLS, file)).mtimeMs > statSync(done).mtimeMs;
  if (existsSync(done) && !['package.json', 'package-lock.json'].some(isNewer)) return;
  process.stdout.write('installing a registry and package managers (once, a minute)\n');
  npm('install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', TOOLS);
}

function makePackages(staged) {
  run(process.execPath, [PACK, '--out', staged]);
  const target = targetHere();
  const folder = join(staged, target?.name ?? 'none');
  const prebuilds = join(staged, 'warren/prebuilds');
  return {
    staged,
    engine: existsSync(folder) ? { folder, packageName: target.packageName } : null,
    hasPrebuild: existsSync(prebuilds) && readdirSync(prebuilds).length > 0,
  };
}

function npm(...args) {
  return run('npm', args);
}

function run(program, args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
