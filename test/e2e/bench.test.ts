/** What the benchmark runner leaves behind when it is interrupted: nothing. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../helpers/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Cargo may have to build the load generator first. */
const BUILD_MS = 180_000;
const hasCargo = spawnSync('cargo', ['--version']).error === undefined;
if (!hasCargo) process.stdout.write('not tested: interrupts of the benchmark (no cargo)\n');

/** A runner whose children are known by their environment. */
interface Run {
  readonly child: ChildProcess;
  readonly scratch: string;
  readonly ended: Promise<unknown[]>;
  stderr: string;
}

describe.skipIf(!hasCargo)('an interrupted benchmark', () => {
  let built = '';

  beforeAll(() => {
    // The runner finds the repository by its own place, so it is built inside.
    built = mkdtempSync(join(ROOT, 'bench/dist-'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    spawnSync(process.execPath, [tsc, '-p', 'bench', '--outDir', built], { cwd: ROOT });
    const cargo = ['build', '--release', '--quiet', '--package', 'warren-load'];
    expect(spawnSync('cargo', cargo, { cwd: ROOT }).status).toBe(0);
  }, BUILD_MS);
  afterAll(() => rmSync(built, { recursive: true, force: true }));

  function start(): Run {
    const scratch = mkdtempSync(join(tmpdir(), 'warren-bench-test-'));
    const flags = ['--only', 'bulk-up-1', '--peers', 'typescript', '--rounds', '1'];
    const child = spawn(
      process.execPath,
      [join(built, 'load/main.js'), ...flags, '--seconds', '20'],
      { env: { ...process.env, TMPDIR: scratch }, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const run: Run = { child, scratch, ended: once(child, 'exit'), stderr: '' };
    child.stderr?.on('data', (bytes) => {
      run.stderr += String(bytes);
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
      for (const { pid } of processesOf(scratch)) process.kill(pid, 'SIGKILL');
      rmSync(scratch, { recursive: true, force: true });
    });
    return run;
  }

  it.each([
    // The server is there, perhaps the client, and no measurement.
    ['SIGINT', 130, 'a tunnel starts', / --server /],
    ['SIGTERM', 143, 'a load runs', /warren-load bulk /],
    ['SIGHUP', 129, 'a load runs', /warren-load bulk /],
  ] as const)(
    'by %s ends with %i when %s, and leaves nothing',
    async (signal, code, _when, is) => {
      const run = start();
      // Without a tunnel, a load only asks for the congestion algorithm.
      const seen = (): boolean =>
        scratchDirectories(run).length > 0 &&
        processesOf(run.scratch).some(({ words }) => is.test(words));
      await until(() => seen() || run.child.exitCode !== null, `${is} to run`, BUILD_MS);
      run.child.kill(signal);
      expect(await run.ended).toEqual([code, null]);
      await until(() => processesOf(run.scratch).length === 0, 'the end of all its processes');
      expect(scratchDirectories(run)).toEqual([]);
      expect(run.stderr).not.toMatch(/^bench:| at /m);
    },
    BUILD_MS,
  );

  it.each([
    ['stdout', 0],
    ['stderr', 141],
  ] as const)('whose %s is closed ends with %i and leaves nothing', async (closed, code) => {
    const scratch = mkdtempSync(join(tmpdir(), 'warren-bench-test-'));
    onTestFinished(() => rmSync(scratch, { recursive: true, force: true }));
    const script = `import { killAllOnExit, scratchDirectory } from '${built}/load/machine/process.js';
      killAllOnExit();
      scratchDirectory();
      process.stdin.once('data', () => {
        process.${closed}.write('nobody reads this');
        setTimeout(() => process.exit(0), 200);
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, TMPDIR: scratch },
    });
    const ended = once(child, 'exit');
    let errors = '';
    child.stderr.on('data', (bytes) => {
      errors += String(bytes);
    });
    child[closed].destroy();
    child.stdin.write('go');
    expect(await ended).toEqual([code, null]);
    expect(errors).toBe('');
    expect(readdirSync(scratch)).toEqual([]);
  });
});

function scratchDirectories({ scratch }: Run): string[] {
  return readdirSync(scratch).filter((name) => name.startsWith('warren-bench-'));
}

/** The processes that have that TMPDIR, and their command lines. */
function processesOf(scratch: string): { pid: number; words: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(scratch)) return [];
      const words = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
      return [{ pid: Number(name), words }];
    } catch {
      // It has ended, or is another user's.
      return [];
    }
  });
}
