/**
 * `npm run test:clone [-- OPTIONS] [FILE...]`: clean clones of HEAD on machines that lack things. On each
 * `npm ci`, `npm run build` and `npm test` must end well, and name what is missing.
 *
 * --quick          a handful of test files, not all; FILEs go before either
 * --machine NAME   only this one: everything, "no cargo", "no compiler"
 *
 * CARGO_TARGET_DIR, where it is set, is used by the clones and saves most of their time.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cppToolchain, lacksForRust } from '../../native/toolchain.mjs';
import { markdownTable } from '../helpers/markdown-table.mjs';
import { runVitest } from '../helpers/vitest-run.mjs';
import { environmentOf, MACHINES } from './machines.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What differs by the engines that are there: their choice, the program, the library, one program through it. */
const QUICK = [
  'test/unit/native',
  'test/unit/engine',
  'test/e2e/engine.test.ts',
  'test/e2e/library.test.ts',
  'test/e2e/http.test.ts',
  'test/findings/startup.test.ts',
];

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean' }, machine: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const files = positionals.length === 0 && values.quick ? QUICK : positionals;
const machines = MACHINES.filter(({ name }) => values.machine?.includes(name) ?? true);
if (machines.length === 0) throw new Error(`no such machine: ${values.machine}`);

const work = mkdtempSync(join(tmpdir(), 'warren-clone-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const rows = [
  ['machine', 'npm ci', 'npm run build', 'npm test', 'rust', 'addon', 'tests', 'result'],
];
let areAllFine = true;
for (const machine of machines) {
  const { row, problems } = tryOn(machine);
  rows.push([...row, problems.length === 0 ? 'ok' : 'FAILED']);
  for (const problem of problems) process.stdout.write(`${machine.name}: ${problem}\n`);
  areAllFine &&= problems.length === 0;
}
const [commit, changes] = [
  ['rev-parse', '--short', 'HEAD'],
  ['status', '--porcelain'],
].map((words) => spawnSync('git', words, { cwd: ROOT, encoding: 'utf8' }).stdout.trim());
const beside = changes === '' ? '' : ' (what is not committed is not in it)';
process.stdout.write(`\nclones of ${commit}${beside}\n\n${markdownTable(rows)}`);
process.exitCode = areAllFine ? 0 : 1;

function tryOn(machine) {
  const folder = join(work, machine.name.replaceAll(' ', '-'));
  mkdirSync(folder);
  const clone = join(folder, 'clone');
  const env = environmentOf(machine, join(folder, 'bin'));
  const problems = [];
  const step = (command, cwd = clone) => {
    const done = runStep({ command, cwd, env });
    if (done.status !== 0) problems.push(`${command.join(' ')}: ${done.ended}`);
    return done;
  };
  process.stdout.write(`\n== ${machine.name}\n`);
  step(['git', 'clone', '--quiet', ROOT, clone], folder);
  const installed = step(['npm', 'ci', '--no-audit', '--no-fund', '--prefer-offline']);
  const built = step(['npm', 'run', 'build']);
  const tests = [];
  const { passed, skipped, failures, unsteady } = runVitest({
    run: (args) => {
      tests.push(runStep({ command: ['npm', 'test', '--', ...args], cwd: clone, env }));
      return tests.at(-1).status;
    },
    files,
    results: join(folder, 'results.json'),
  });
  problems.push(...failures.map((it) => `${it.name}: ${it.error}`));
  for (const { name, error } of unsteady) {
    process.stdout.write(`unsteady: ${machine.name}: ${name}\n  ${error}\n`);
  }
  const parts = ['rust', 'addon'].map((name) => {
    const result = partResult(built.output, name);
    problems.push(...partProblems({ name, result, machine, survey: tests[0].output }));
    return result.replace(/: .*/, '');
  });
  rmSync(clone, { recursive: true, force: true });
  const seconds = [installed, built, tests[0]].map((it) => `${it.seconds} s`);
  const counted = `${passed} passed, ${skipped} skipped`;
  return { row: [machine.name, ...seconds, ...parts, counted], problems };
}

/** Its output goes to the terminal where it fails. */
function runStep({ command, cwd, env }) {
  const before = performance.now();
  // By name, in the PATH that is tried.
  const [name, ...args] = command;
  const { status, signal, error, stdout, stderr } = spawnSync(name, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const seconds = Math.round((performance.now() - before) / 1000);
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  const ended = error?.message ?? `exit code ${status ?? signal}`;
  process.stdout.write(`${command.slice(0, 3).join(' ')}: ${ended}, ${seconds} s\n`);
  if (status !== 0) process.stdout.write(output);
  return { status, ended, output, seconds };
}

/** From the table of `npm run build`. */
function partResult(output, name) {
  return new RegExp(`^${name} {2,}(.+)$`, 'm').exec(output)?.[1] ?? 'not in the table';
}

function partProblems({ name, result, machine, survey }) {
  const problems = [];
  const lacks = machine.lacks[name];
  const isBuilt = result.startsWith('built');
  if (lacks !== undefined && !result.startsWith(`not built: ${lacks}`)) {
    problems.push(`${name}: "not built: ${lacks}" expected: ${result}`);
  }
  const lacksHere = name === 'rust' ? lacksForRust() : cppToolchain().lacks;
  // Headers of Node may be missing, which only the build itself finds out.
  const mayBeMissing = lacksHere !== undefined || /^not built: .*headers/.test(result);
  if (lacks === undefined && !isBuilt && !mayBeMissing) {
    problems.push(`${name}: not built, though its tools are there: ${result}`);
  }
  const engines = /^engines: (.+)$/m.exec(survey)?.[1]?.split(' · ') ?? [];
  const engine = engines.find((text) => text.startsWith(`${name} `)) ?? 'not named';
  const wanted = isBuilt ? `${name} (` : `${name} missing: `;
  if (!engine.startsWith(wanted)) problems.push(`npm test says of an engine: ${engine}`);
  return problems;
}
