/**
 * Which engine a daemon runs and how its operator sees why. Installations that lack the addon, or
 * have one of another version, are copies of this one.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BINDING_FILE } from '../../ts/engine/load-binding.ts';
import { CLI, CliWorld, type LogLine, runCli } from '../helpers/cli.ts';
import { ENGINE_PACKAGE, PackageCopy } from '../helpers/package-copy.ts';
import { canRefuseCalls } from '../helpers/programs.ts';
import { RUST } from '../helpers/rust-binding.ts';

const SERVER = '[server]\nbind_addr = "127.0.0.1:0"\ndefault_token = "t"\nservices = {}\n';

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

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
    expect(line['addon']).toBe(BINDING_FILE);
    const { code, stdout } = await versionFacts(wanted);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +rust$/m);
    expect(stdout).toMatch(new RegExp(`^threads +${line['threads']}$`, 'm'));
    expect(stdout.split('\n')).toContain(`addon     ${BINDING_FILE}`);
    expect(stdout).not.toContain('not used');
  });

  it.skipIf(!canRefuseCalls())('is not taken where the system refuses what it lives by', () => {
    const copy = new PackageCopy(world.folder);
    copy.putLocal();
    for (const [call, part] of [
      ['splice', 'splice'],
      ['recvmmsg', 'udp'],
    ] as const) {
      const refusing = ['-f', '-o', '/dev/null', `-einject=${call}:error=EPERM`];
      const words = [...refusing, process.execPath, copy.cli, '--version', '--verbose'];
      const { stdout } = spawnSync('strace', words, {
        encoding: 'utf8',
        env: { ...process.env, WARREN_ENGINE: 'auto' },
      });
      expect(stdout).toMatch(/^engine +typescript$/m);
      expect(stdout).toMatch(
        new RegExp(`^not used +rust: \\S+ does not work here: ${part}: .*permitted`, 'm'),
      );
    }
  });

  it('is not taken from another version', async () => {
    const copy = new PackageCopy(world.folder, '99.0.0');
    copy.putLocal();
    const { level, rejected } = await selection('auto', copy.cli);
    expect(level).toBe('warn');
    expect(rejected).toEqual([
      expect.stringMatching(/^rust: .*version \d+\.\d+\.\d+.*, warren of 99\.0\.0/),
      expect.stringMatching(/^addon: /),
    ]);
  });
});

describe('an installation without native engines', () => {
  const MISSING = ENGINE_PACKAGE === undefined ? 'not prebuilt' : `no package ${ENGINE_PACKAGE} `;

  it('runs: auto goes on and says what was looked for', async () => {
    const { cli } = new PackageCopy(world.folder);
    const line = await selection('auto', cli);
    expect(line).toMatchObject({ level: 'info', engine: 'typescript' });
    const reasons = [
      expect.stringContaining(`rust: ${MISSING}`),
      expect.stringMatching(/^addon: ./),
    ];
    expect(line['rejected']).toEqual(reasons);
    const { stdout, code } = await versionFacts('auto', cli);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +typescript$/m);
    const told = stdout.split('\n').filter((fact) => fact.startsWith('not used'));
    expect(told).toEqual((line['rejected'] as string[]).map((reason) => `not used  ${reason}`));
  });

  it('ends with 1 and the reason where one is demanded', async () => {
    const { cli } = new PackageCopy(world.folder);
    const file = world.file('server.toml', SERVER);
    const { code, stderr } = await runCli([file], { WARREN_ENGINE: 'rust' }, cli);
    expect(code).toBe(1);
    expect(stderr).toContain(`WARREN_ENGINE=rust: ${MISSING}`);
    const { stdout } = await versionFacts('rust', cli);
    expect(stdout).toContain(`engine    none: WARREN_ENGINE=rust: ${MISSING}`);
  });
});

describe('the library', () => {
  it('tells which engine runs and why not another', async () => {
    const { cli } = new PackageCopy(world.folder);
    const library = JSON.stringify(join(dirname(cli), 'index.js'));
    const program = world.file(
      'program.mjs',
      `import { Server } from ${library};
      const server = new Server({ bindAddr: '127.0.0.1:0', services: {} });
      console.log(JSON.stringify([server.engine ?? null]));
      await server.start();
      console.log(JSON.stringify([server.engine]));
      await server.close({ deadlineMs: 0 });`,
    );
    const { stdout, stderr } = await runCli([], { WARREN_ENGINE: 'auto' }, program);
    expect(stderr).toBe('');
    const [before, after] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)[0]);
    expect(before).toBeNull();
    expect(after).toEqual({
      name: 'typescript',
      rejected: [
        { name: 'rust', reason: expect.any(String), broken: false },
        { name: 'addon', reason: expect.any(String), broken: false },
      ],
    });
  });

  it.skipIf(RUST === undefined)('may be there twice in one process', async () => {
    const copy = new PackageCopy(world.folder);
    const file = copy.putLocal();
    const libraries = [CLI, copy.cli].map((cli) => JSON.stringify(join(dirname(cli), 'index.js')));
    const program = world.file(
      'program.mjs',
      `for (const library of [${libraries}]) {
        const { Server } = await import(library);
        const server = new Server({ bindAddr: '127.0.0.1:0', services: {} });
        await server.start();
        console.log(server.engine.name, server.engine.addon);
        setImmediate(() => server.close({ deadlineMs: 0 }));
      }`,
    );
    const { code, stdout, stderr } = await runCli([], { WARREN_ENGINE: 'rust' }, program);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`rust ${BINDING_FILE}\nrust ${file}\n`);
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
