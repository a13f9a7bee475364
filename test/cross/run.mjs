/**
 * `npm run test:cross [-- TARGET…]`: what was built for other systems is run, as far as they can be had
 * here: the Rust engine's addon of `native/artifacts`, the C++ addon of `prebuilds`. Each is loaded,
 * asked for its version, tried out, and carries `warren demo`, in processes of their own.
 *
 * Targets that are named must be tested; of all others the table says why they are not.
 *
 * --artifacts DIR  where the Rust engine's are (default: native/artifacts)
 * --prebuilds DIR  where the C++ addon's are (default: prebuilds)
 * --size MIB       what the demo transfers (default: 8)
 * --markdown FILE  where the table is written to, too
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PREBUILT } from '../../dist/engine/platform.js';
import { markdownTable } from '../helpers/markdown-table.mjs';
import { machinesFor } from './machines.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** In qemu, beside others. */
const PATIENCE_MS = 300_000;

/** The C++ addon has no probe. */
const ASK = `
const [file, version] = process.argv.slice(1);
const addon = require(file);
if (addon.version() !== version) throw new Error('is of version ' + addon.version());
const problem = addon.probe?.() ?? null;
if (problem !== null) throw new Error('probe: ' + problem);
`;

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const { values, positionals } = parseArgs({
  options: {
    artifacts: { type: 'string', default: join(ROOT, 'native/artifacts') },
    prebuilds: { type: 'string', default: join(ROOT, 'prebuilds') },
    size: { type: 'string', default: '8' },
    markdown: { type: 'string' },
  },
  allowPositionals: true,
});
const work = mkdtempSync(join(tmpdir(), 'warren-cross-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const rows = [['target', 'engine', 'KiB', 'run on', 'loaded', 'demo', '']];
for (const target of positionals.length > 0 ? positionals : allTargets()) {
  const files = filesFor(target);
  if (files.length === 0) rows.push([target, '-', '-', '-', '-', '-', 'not tested: not built']);
  for (const file of files)
    for (const machine of machinesFor(target, work)) rows.push(test(target, file, machine));
}
const table = markdownTable(rows);
process.stdout.write(`\n${table}`);
if (values.markdown !== undefined) writeFileSync(values.markdown, table);
const hasFailed = rows.some((row) => row.at(-1).startsWith('FAILED'));
// Where the Rust engine is prebuilt, the other one alone does not do.
const isTested = (target) =>
  rows.some(
    ([name, engine, ...results]) =>
      name === target &&
      results.at(-1) === 'ok' &&
      (engine === 'rust' || !PREBUILT.includes(target)),
  );
process.exitCode = hasFailed || !positionals.every(isTested) ? 1 : 0;

function allTargets() {
  const built = existsSync(values.prebuilds)
    ? readdirSync(values.prebuilds, { recursive: true })
    : [];
  const addons = built.filter((name) => name.endsWith('.node')).map(targetOfPrebuild);
  return [...new Set([...PREBUILT, ...addons])];
}

/** `linux-x64/warren.glibc.node` is of `linux-x64-gnu`. */
function targetOfPrebuild(path) {
  const [, platform, libc] = /^(.+)[/\\]warren\.(?:(\w+)\.)?node$/.exec(path);
  if (libc === undefined) return platform;
  const abi = libc === 'musl' ? 'musl' : 'gnu';
  return `${platform}-${abi}${platform === 'linux-arm' ? 'eabihf' : ''}`;
}

function filesFor(target) {
  const [platform, arch, abi] = target.split('-');
  const libc = platform === 'linux' ? (abi === 'musl' ? '.musl' : '.glibc') : '';
  const prebuild = `${platform}-${arch}/warren${libc}.node`;
  return [
    {
      engine: 'rust',
      source: join(values.artifacts, `warren.${target}.node`),
      place: 'native/warren.node',
    },
    { engine: 'addon', source: join(values.prebuilds, prebuild), place: `prebuilds/${prebuild}` },
  ].filter(({ source }) => existsSync(source));
}

function test(target, { engine, source, place }, machine) {
  const size = String(Math.ceil(readFileSync(source).length / 1024));
  const row = (...results) => [target, engine, size, machine.name, ...results];
  if (machine.reason !== undefined) return row('-', '-', `not tested: ${machine.reason}`);
  process.stdout.write(`\n== ${target}, ${engine}: ${machine.name}\n`);
  const folder = stage(source, place);
  const loaded = run(machine, ['-e', ASK, join(folder, place), version], folder);
  if (loaded !== undefined) return row('FAILED', '-', `FAILED: ${loaded}`);
  const before = performance.now();
  const demo = run(machine, ['dist/cli.js', 'demo', '--size', values.size], folder, engine);
  const seconds = `${((performance.now() - before) / 1000).toFixed(1)} s`;
  return demo === undefined ? row('yes', seconds, 'ok') : row('yes', 'FAILED', `FAILED: ${demo}`);
}

/** A package of its own, with this one native file and no other. */
function stage(source, place) {
  const folder = mkdtempSync(join(work, 'package-'));
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const file = join(folder, place);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(source, file);
  copyFileSync(`${source}.sha256`, `${file}.sha256`);
  return folder;
}

/** Undefined, or what went wrong. */
function run({ node }, args, cwd, engine = 'auto') {
  const { status, signal, error, stdout, stderr } = spawnSync(node, args, {
    cwd,
    env: { ...process.env, WARREN_ENGINE: engine, NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  process.stdout.write(stdout ?? '');
  process.stderr.write(stderr ?? '');
  if (status === 0) return undefined;
  if (error !== undefined) return error.message;
  const told = `${stdout}\n${stderr}`.split('\n').filter((line) => /error|fail|probe/i.test(line));
  return `${signal ?? `exit code ${status}`} ${told[0]?.trim() ?? ''}`.trim();
}
