/**
 * Every package manager installs warren from a registry on a machine that can build nothing: which
 * engine it gets, that the demo runs, and that nothing wanted to run a script.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ABSENT, bareMachine } from './bare-machine.ts';
import { MANAGERS, type Manager } from './managers.ts';
import { offer, scene, variant } from './scene.ts';

/** What managers say of packages that have something to run. */
const SCRIPTS = /install-scripts|ignored build scripts|build scripts|blocked \d+|must be built/i;

const NOTHING = 'no engine at all';

interface Case {
  readonly title: string;
  /** What the registry has. */
  readonly folders: () => readonly string[];
  readonly engine: 'rust' | 'addon' | 'typescript';
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
}

const warren = join(scene.staged, 'warren');
const noEngine =
  scene.engine === null ? 'native/warren.node is not built (npm run build:native)' : undefined;
const noAddon = scene.hasPrebuild ? undefined : 'the addon is not built (npm run build:addon)';

const CASES: readonly Case[] = [
  {
    title: 'everything',
    folders: () => [ownEngine(), warren],
    engine: 'rust',
    missing: noEngine,
  },
  {
    title: 'an engine, but not for this system',
    folders: () => [foreignEngine(), withoutAddon()],
    engine: 'typescript',
    missing: noEngine,
  },
  {
    title: NOTHING,
    folders: () => [withoutAddon()],
    engine: 'typescript',
    missing: noEngine,
  },
  {
    title: 'the prebuilt addon only',
    folders: () => [...(scene.engine === null ? [] : [foreignEngine()]), warren],
    engine: 'addon',
    missing: noAddon,
  },
];

function ownEngine(): string {
  return scene.engine?.folder ?? '';
}

function foreignEngine(): string {
  return variant(ownEngine(), { os: ['aix'] });
}

function withoutAddon(): string {
  return variant(warren, {}, ['prebuilds']);
}

for (const { title, folders, engine, missing } of CASES) {
  describe(title, () => {
    beforeAll(async () => {
      if (missing === undefined) await offer(...folders());
    });

    for (const manager of MANAGERS) {
      it(manager.name, async ({ task, skip }) => {
        const why = missing ?? manager.missing;
        if (why !== undefined) skip(why);
        task.meta.result =
          title === NOTHING && manager.wantsAllOptional
            ? await refuses(manager)
            : await runs(manager, engine);
      });
    }
  });
}

async function runs(manager: Manager, engine: string): Promise<string> {
  const machine = manager.machine();
  const said = await machine.succeed(manager.install);
  expect(said).not.toMatch(SCRIPTS);
  const version = await machine.succeed([...manager.exec, 'warren', '--version', '--verbose']);
  expect(version).toMatch(new RegExp(`^engine +${engine}$`, 'm'));
  if (engine !== 'rust') expect(version).toMatch(/^not used +rust: \S/m);
  const demo = await machine.succeed([...manager.exec, 'warren', 'demo', '--size', '16']);
  expect(demo).toContain(`${engine} engine`);
  return engine;
}

async function refuses(manager: Manager): Promise<string> {
  const { code, output } = await manager.machine().run(manager.install);
  expect(code).not.toBe(0);
  expect(output).toContain(scene.engine?.packageName);
  return 'not installed';
}

it('has nothing to build with on these machines', async () => {
  const machine = bareMachine(process.execPath, {});
  for (const name of ABSENT) {
    const { code } = await machine.run(['sh', '-c', `command -v ${name}`]);
    expect(code, name).not.toBe(0);
  }
});
