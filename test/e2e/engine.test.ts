/**
 * Which engine a daemon runs and how its operator sees why. Builds that lack the addon, or have a
 * bad one, are copies of this one.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BINDING_FILE } from '../../ts/engine/load-binding.ts';
import { CLI, CliWorld, type LogLine, runCli } from '../helpers/cli.ts';
import { canRefuseCalls } from '../helpers/programs.ts';
import { RUST } from '../helpers/rust-binding.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = '[server]\nbind_addr = "127.0.0.1:0"\ndefault_token = "t"\nservices = {}\n';

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

interface Copy {
  readonly cli: string;
  /** Where its addon is looked for. */
  readonly addon: string;
}

/** A copy of the built package without an addon. */
function copyOfPackage(version?: string): Copy {
  const folder = join(world.folder, 'package');
  cpSync(dirname(CLI), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const changed = version === undefined ? manifest : withVersion(manifest, version);
  writeFileSync(join(folder, 'package.json'), changed);
  const addon = join(folder, relative(ROOT, BINDING_FILE));
  mkdirSync(dirname(addon), { recursive: true });
  return { cli: join(folder, 'dist/cli.js'), addon };
}

function withVersion(manifest: string, version: string): string {
  return manifest.replace(/"version": "[^"]*"/, `"version": "${version}"`);
}

/** What a server's log says of its engine. */
async function selection(engine: string, cli = CLI): Promise<LogLine> {
  const file = world.file('server.toml', SERVER);
  const daemon = world.start([file], { WARREN_ENGINE: engine }, [], cli);
  const ready = await daemon.waitForLog('warren ready');
  const lines = daemon.logLines.filter(({ msg }) => msg === 'engine selected');
  expect(lines).toHaveLength(1);
  expect(ready['engine']).toBe(lines[0]?.['engine']);
  daemon.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
  return lines[0] ?? {};
}

function versionFacts(engine: string, cli = CLI): Promise<{ stdout: string; code: number | null }> {
  return runCli(['--version', '--verbose'], { WARREN_ENGINE: engine }, cli);
}

describe('the typescript engine', () => {
  it('runs where it is forced, and nothing else is looked at', async () => {
    const line = await selection('typescript');
    expect(line).toMatchObject({ level: 'info', engine: 'typescript' });
    expect(line).not.toHaveProperty('rejected');
    expect(line).not.toHaveProperty('threads');
    const { code, stdout } = await versionFacts('typescript');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +typescript$/m);
    expect(stdout).not.toContain('not used');
  });
});

describe.skipIf(RUST === undefined)('the rust engine', () => {
  it.each(['rust', 'auto'])('runs for %s where its addon is built', async (wanted) => {
    const line = await selection(wanted);
    expect(line).toMatchObject({ level: 'info', engine: 'rust', threads: expect.any(Number) });
    expect(line).not.toHaveProperty('rejected');
    const { code, stdout } = await versionFacts(wanted);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +rust$/m);
    expect(stdout).toMatch(new RegExp(`^threads +${line['threads']}$`, 'm'));
    expect(stdout.split('\n')).toContain(`addon     ${BINDING_FILE}`);
    expect(stdout).not.toContain('not used');
  });

  it.skipIf(!canRefuseCalls())('is not taken where the system refuses what it lives by', () => {
    for (const [call, part] of [
      ['splice', 'splice'],
      ['recvmmsg', 'udp'],
    ] as const) {
      const refusing = ['-f', '-o', '/dev/null', `-einject=${call}:error=EPERM`];
      const words = [...refusing, process.execPath, CLI, '--version', '--verbose'];
      const { stdout } = spawnSync('strace', words, {
        encoding: 'utf8',
        env: { ...process.env, WARREN_ENGINE: 'auto' },
      });
      expect(stdout).toMatch(/^engine +typescript$/m);
      expect(stdout).toMatch(
        new RegExp(`^not used +rust: probe failed: ${part}: .*permitted`, 'm'),
      );
    }
  });

  it('is not taken from another version', async () => {
    const { cli, addon } = copyOfPackage('99.0.0');
    copyFileSync(BINDING_FILE, addon);
    const { level, rejected } = await selection('auto', cli);
    expect(level).toBe('warn');
    expect(rejected).toEqual([
      expect.stringMatching(/^rust: .*version \d+\.\d+\.\d+.*, warren of 99\.0\.0/),
    ]);
  });
});

describe('an addon that cannot be had', () => {
  it('is not there: auto goes on and says where it was looked for', async () => {
    const { cli, addon } = copyOfPackage();
    const line = await selection('auto', cli);
    expect(line).toMatchObject({ level: 'info', engine: 'typescript' });
    expect(line['rejected']).toEqual([expect.stringContaining(addon)]);
    const { stdout, code } = await versionFacts('auto', cli);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +typescript$/m);
    const reasons = stdout.split('\n').filter((fact) => fact.startsWith('not used'));
    expect(reasons).toEqual([
      expect.stringMatching(/^not used +rust: not built .*npm run build:native/),
    ]);
    expect(reasons[0]).toContain(addon);
  });

  it('cannot be loaded: the loader’s words are told', async () => {
    const { cli, addon } = copyOfPackage();
    writeFileSync(addon, 'no shared library');
    const { level, rejected } = await selection('auto', cli);
    expect(level).toBe('warn');
    expect(rejected).toEqual([expect.stringMatching(/^rust: cannot be loaded: ./)]);
  });

  it('is demanded: the daemon ends with 1 and the reason', async () => {
    const { cli, addon } = copyOfPackage();
    const file = world.file('server.toml', SERVER);
    const { code, stderr } = await runCli([file], { WARREN_ENGINE: 'rust' }, cli);
    expect(code).toBe(1);
    expect(stderr).toContain('WARREN_ENGINE=rust');
    expect(stderr).toContain(addon);
    const { stdout } = await versionFacts('rust', cli);
    expect(stdout).toMatch(/^engine +none: WARREN_ENGINE=rust: not built/m);
  });
});

describe('WARREN_THREADS', () => {
  const hasThreads = RUST !== undefined && process.platform === 'linux';

  it.skipIf(!hasThreads)('is how many threads the rust engine has', async () => {
    const file = world.file('server.toml', SERVER);
    const daemon = world.start([file], { WARREN_ENGINE: 'rust', WARREN_THREADS: '3' });
    await daemon.waitForLog('warren ready');
    expect(await daemon.waitForLog('engine selected')).toMatchObject({ threads: 3 });
    const tasks = `/proc/${daemon.child.pid}/task`;
    const names = readdirSync(tasks).map((id) => readFileSync(join(tasks, id, 'comm'), 'utf8'));
    const own = names.filter((name) => name.startsWith('warren-'));
    expect(own.toSorted()).toEqual(['warren-0\n', 'warren-1\n', 'warren-2\n']);
  });

  it('that is no number of threads is an error of the start, with what is allowed', async () => {
    const file = world.file('server.toml', SERVER);
    const { code, stderr } = await runCli([file], { WARREN_THREADS: 'many' });
    expect(code).toBe(1);
    expect(stderr).toContain('WARREN_THREADS=many');
    expect(stderr).toContain('from 1 to 256');
  });
});
