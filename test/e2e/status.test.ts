/** `warren status`: what an installation would run, for people and for machines. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { platformOf, thisMachine } from '../../ts/engine/platform.ts';
import { ADDON } from '../helpers/addon-binding.ts';
import { CliWorld, runCli } from '../helpers/cli.ts';
import { PackageCopy } from '../helpers/package-copy.ts';
import { RUST } from '../helpers/rust-binding.ts';

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

/** What `--json` says, and how it ended. */
async function status(env: Record<string, string>, cli?: string) {
  const { code, stdout, stderr } = await runCli(['status', '--json'], env, cli);
  return { code, stderr, facts: JSON.parse(stdout) };
}

const AVAILABLE = {
  rust: RUST !== undefined,
  addon: ADDON !== undefined,
  typescript: true,
};

describe('of this clone', () => {
  const engines = Object.entries(AVAILABLE).filter(([, isThere]) => isThere);

  it.each(engines)('%s, where it is forced', async (engine) => {
    const { code, stderr, facts } = await status({ WARREN_ENGINE: engine });
    expect([code, stderr]).toEqual([0, '']);
    const { node, platform, wanted, problem } = facts;
    // As packages name it, and `--version --verbose`.
    expect([node, platform]).toEqual([process.version, platformOf(thisMachine()).name]);
    expect([facts.engine, wanted, problem]).toEqual([engine, engine, null]);
    for (const { name, state, file, reasons } of facts.engines) {
      expect(state).toBe(name === engine ? 'usable' : 'skipped');
      if (name === engine) expect(file).toEqual(name === 'typescript' ? null : expect.any(String));
      else expect(reasons).toEqual([`not looked at: WARREN_ENGINE=${engine}`]);
    }
    const { stdout } = await runCli(['status'], { WARREN_ENGINE: engine });
    expect(stdout).toMatch(new RegExp(`^engine +${engine}`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${engine} +used`, 'm'));
  });

  it('auto: the first that can be used, and all the others', async () => {
    const { code, facts } = await status({ WARREN_ENGINE: 'auto' });
    expect(code).toBe(0);
    expect(facts.engine).toBe(engines[0]?.[0]);
    expect(facts.engines.map(({ name }: { name: string }) => name)).toEqual(Object.keys(AVAILABLE));
    for (const { name, state } of facts.engines) {
      expect(state === 'usable').toBe(Object(AVAILABLE)[name]);
    }
  });

  it.skipIf(RUST === undefined)('has the threads of the Rust engine', async () => {
    const env = { WARREN_ENGINE: 'rust', WARREN_THREADS: '3' };
    expect((await status(env)).facts.threads).toBe(3);
    expect((await runCli(['status'], env)).stdout).toMatch(/^engine +rust, 3 threads$/m);
  });
});

describe('of a package without native engines', () => {
  it('falls back, tells why, and ends with 0', async () => {
    const { cli } = new PackageCopy(world.folder);
    const { code, stderr, facts } = await status({ WARREN_ENGINE: '' }, cli);
    expect([code, stderr]).toEqual([0, '']);
    expect(facts).toMatchObject({ wanted: 'auto', engine: 'typescript', threads: null });
    const [rust, addon, typescript] = facts.engines;
    for (const tier of [rust, addon]) {
      expect(tier).toMatchObject({ state: 'missing', file: null, reasons: [expect.any(String)] });
    }
    expect(typescript).toEqual({ name: 'typescript', state: 'usable', file: null, reasons: [] });
    const { stdout } = await runCli(['status'], { WARREN_ENGINE: 'auto' }, cli);
    expect(stdout).toContain(`rust        missing  ${rust.reasons[0]}\n`);
    expect(stdout).toContain(`addon       missing  ${addon.reasons[0]}\n`);
    expect(stdout).toMatch(/^typescript {2}used$/m);
  });

  it('names a file that is there and damaged', async () => {
    const { cli, local } = new PackageCopy(world.folder);
    mkdirSync(dirname(local));
    writeFileSync(local, 'no shared library');
    const { code, facts } = await status({ WARREN_ENGINE: 'auto' }, cli);
    expect([code, facts.engine]).toEqual([0, 'typescript']);
    expect(facts.engines[0]).toMatchObject({ name: 'rust', state: 'broken', file: null });
    expect(facts.engines[0].reasons.join()).toContain(local);
  });

  it('ends with 1 where an engine is demanded, with the reason on standard error', async () => {
    const { cli } = new PackageCopy(world.folder);
    const { code, stderr, facts } = await status({ WARREN_ENGINE: 'rust' }, cli);
    expect(code).toBe(1);
    expect(facts).toMatchObject({ engine: null, wanted: 'rust' });
    expect(stderr).toBe(`warren: ${facts.problem}\n`);
    expect(stderr).toContain('WARREN_ENGINE=rust');
    const plain = await runCli(['status'], { WARREN_ENGINE: 'rust' }, cli);
    expect([plain.code, plain.stderr]).toEqual([1, stderr]);
    expect(plain.stdout).toMatch(/^engine +none$/m);
    expect(plain.stdout).toMatch(/^rust +missing /m);
  });
});

describe('of an environment that cannot be used', () => {
  it.each([{ WARREN_ENGINE: 'java' }, { WARREN_THREADS: 'many' }])(
    '%j ends with 1',
    async (env) => {
      const { code, stderr, facts } = await status({ WARREN_ENGINE: 'auto', ...env });
      expect(code).toBe(1);
      expect(facts.engine).toBe(null);
      expect(stderr).toContain(Object.entries(env).map((pair) => pair.join('='))[0]);
    },
  );
});
