/** Package managers, each with a machine of its own; those that are not to be had say why. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BareMachine, bareMachine } from './bare-machine.ts';
import type { Command } from './commands.ts';
import { scene } from './scene.ts';

export interface Manager {
  /** With its version and Node's. */
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly missing?: string;
  /** Installs nothing when the registry lacks an optional dependency. */
  readonly wantsAllOptional?: true;
  readonly install: Command;
  /** Runs a program of the project's dependencies. */
  readonly exec: Command;
  machine(): BareMachine;
}

interface Kind {
  readonly name: string;
  readonly node: string | undefined;
  /** The programs that it is; the first tells its version. */
  readonly programs: Readonly<Record<string, string>>;
  readonly install: Command;
  readonly exec: Command;
  readonly note?: string;
  readonly wantsAllOptional?: true;
  readonly env?: Readonly<Record<string, string>>;
}

const TOOLS = fileURLToPath(new URL('tools/node_modules/', import.meta.url));
const NPM_12 = join(TOOLS, 'npm/bin/npm-cli.js');
const PNPM = join(TOOLS, 'pnpm/bin/pnpm.mjs');
const YARN = join(TOOLS, '@yarnpkg/cli-dist/bin/yarn.js');
const BUN = join(TOOLS, `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`);

const here = process.execPath;
const newer = 'node' in scene.newerNode ? scene.newerNode.node : undefined;

export const MANAGERS: readonly Manager[] = [
  npm(here, scene.npm),
  npm(newer, NPM_12),
  pnpm(here),
  pnpm(newer),
  yarn('node-modules'),
  yarn('pnp'),
  manager({
    name: 'bun',
    node: here,
    programs: { bun: BUN },
    install: ['bun', 'add', 'warren'],
    exec: ['bun', 'run'],
  }),
];

function npm(node: string | undefined, script: string): Manager {
  return manager({
    name: 'npm',
    node,
    programs: { npm: script, npx: script.replace(/npm-cli\.js$/, 'npx-cli.js') },
    install: ['npm', 'install', 'warren'],
    exec: ['npx', '--no', '--'],
  });
}

function pnpm(node: string | undefined): Manager {
  return manager({
    name: 'pnpm',
    node,
    programs: { pnpm: PNPM },
    install: ['pnpm', 'add', 'warren'],
    exec: ['pnpm', 'exec'],
  });
}

function yarn(linker: 'node-modules' | 'pnp'): Manager {
  return manager({
    name: 'yarn',
    node: here,
    programs: { yarn: YARN },
    install: ['yarn', 'add', 'warren'],
    exec: ['yarn', 'run'],
    note: linker,
    wantsAllOptional: true,
    env: {
      YARN_NPM_REGISTRY_SERVER: scene.registry.url,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      // What is younger than three days is in quarantine, and these packages are.
      YARN_NPM_MINIMAL_AGE_GATE: '0',
      YARN_NODE_LINKER: linker,
      YARN_ENABLE_TELEMETRY: '0',
      YARN_ENABLE_IMMUTABLE_INSTALLS: '0',
    },
  });
}

function manager({ name, node, programs, note, env, ...rest }: Kind): Manager {
  const { text, missing } = version(node, Object.values(programs)[0] ?? '');
  const suffix = note === undefined ? '' : ` (${note})`;
  return {
    ...rest,
    name: `${name} ${text}${suffix}`,
    ...(missing === undefined ? {} : { missing }),
    machine() {
      const machine = bareMachine(node ?? '', programs, env);
      writeFileSync(
        join(machine.project, 'package.json'),
        '{ "name": "project", "private": true }',
      );
      // Makes it a project of its own for yarn, which looks further up else.
      if (name === 'yarn') writeFileSync(join(machine.project, 'yarn.lock'), '');
      return machine;
    },
  };
}

/** Of both; without one of them, why. */
function version(node: string | undefined, program: string): { text: string; missing?: string } {
  if (node === undefined) {
    const reason = 'reason' in scene.newerNode ? scene.newerNode.reason : '';
    return { text: 'with Node 22', missing: reason };
  }
  const nodeVersion = ask(node, ['--version']) ?? 'of an unknown version';
  const own = program.endsWith('js')
    ? ask(node, [program, '--version'])
    : ask(program, ['--version']);
  const text = `${own ?? ''}, Node ${nodeVersion.replace(/^v/, '')}`;
  if (own !== undefined) return { text };
  return { text, missing: existsSync(program) ? `${program} does not run` : `no ${program}` };
}

function ask(program: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
