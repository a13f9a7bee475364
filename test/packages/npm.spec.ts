/** What people do with npm beyond `npm install warren`, with the npm and Node of this machine. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BareMachine } from './bare-machine.ts';
import { succeed } from './commands.ts';
import { MANAGERS } from './managers.ts';
import { offer, readManifest, scene, variant } from './scene.ts';

const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const TYPES = fileURLToPath(new URL('../../node_modules/@types', import.meta.url));

const warren = join(scene.staged, 'warren');
const withoutAddon = variant(warren, {}, ['prebuilds']);
const { version } = readManifest(warren);
const engine = scene.engine?.folder ?? '';
const engineName = scene.engine?.packageName ?? '';

let machine: BareMachine;

beforeEach(() => {
  machine = (MANAGERS[0] as (typeof MANAGERS)[number]).machine();
});

/** Of what was installed into the project, or is called so. */
function facts(program = join('node_modules', '.bin', 'warren')): Promise<string> {
  return machine.succeed([program, '--version', '--verbose']);
}

function tarballs(): string[] {
  const names = readdirSync(scene.staged).filter((name) => name.endsWith('.tgz'));
  return names.map((name) => join(scene.staged, name));
}

describe.skipIf(scene.engine === null)('with the platform package in the registry', () => {
  beforeAll(() => offer(engine, withoutAddon));

  it('npm install --omit=optional: typescript', async () => {
    await machine.succeed(['npm', 'install', '--omit=optional', 'warren']);
    const said = await facts();
    expect(said).toMatch(/^engine +typescript$/m);
    expect(said).toMatch(/^not used +rust: .*optional dependencies were left out/m);
  });

  it('npm install --global', async () => {
    await machine.succeed(['npm', 'install', '--global', 'warren']);
    expect(await facts(join(machine.prefix, 'bin', 'warren'))).toMatch(/^engine +rust$/m);
    expect(existsSync(join(machine.prefix, 'share/man/man1/warren.1'))).toBe(true);
  });

  it('npm ci from a lock file of its own', async () => {
    await machine.succeed(['npm', 'install', 'warren']);
    rmSync(join(machine.project, 'node_modules'), { recursive: true });
    await machine.succeed(['npm', 'ci']);
    expect(await facts()).toMatch(/^engine +rust$/m);
  });

  it('the library, imported by a module and by CommonJS', async () => {
    await machine.succeed(['npm', 'install', 'warren']);
    const write = (name: string, text: string) =>
      writeFileSync(join(machine.project, name), `${text}\n`);
    const use = `const server = new Server({ bindAddr: '127.0.0.1:0', services: {} });
      server.start().then(() => { console.log(server.engine.name); return server.close({ deadlineMs: 0 }); });`;
    write('module.mjs', `import { Server } from 'warren'; ${use}`);
    write('package.json', '{ "type": "commonjs", "dependencies": { "warren": "*" } }');
    write('common.js', `import('warren').then(({ Server }) => { ${use} });`);
    for (const file of ['module.mjs', 'common.js']) {
      expect(await machine.succeed(['node', file])).toContain('rust');
    }
  });

  it('the types of the library', async () => {
    await machine.succeed(['npm', 'install', 'warren']);
    const text = `import { Client, loadConfig, Server, WarrenError } from 'warren';
      import type { ServerOptions } from 'warren';
      const options: ServerOptions = { bindAddr: '127.0.0.1:0', services: {} };
      const server: Server = new Server(options);
      // @ts-expect-error: no such option
      new Server({ ...options, nonsense: 1 });
      export { Client, loadConfig, server, WarrenError };\n`;
    writeFileSync(join(machine.project, 'use.mts'), text);
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--typeRoots', TYPES];
    await machine.succeed(['node', TSC, ...flags, '--types', 'node', 'use.mts']);
  });

  it('the tarballs of pack:all, installed together', async () => {
    await offer();
    await machine.succeed(['npm', 'install', '--global', ...tarballs()]);
    await offer(engine, withoutAddon);
    expect(await facts(join(machine.prefix, 'bin', 'warren'))).toMatch(/^engine +rust$/m);
  });
});

describe.skipIf(scene.engine === null)('with a platform package of another version', () => {
  it('is refused with a reason', async () => {
    await offer(variant(engine, { version: '0.0.9' }), withoutAddon);
    await machine.succeed(['npm', 'install', 'warren', `${engineName}@0.0.9`]);
    const said = await facts();
    expect(said).toMatch(/^engine +typescript$/m);
    expect(said).toMatch(new RegExp(`^not used +rust: .*0\\.0\\.9.*${version}`, 'm'));
  });
});

describe.skipIf(scene.engine === null)('a lock file of another system', () => {
  const other = scene.enginePackages.find((name) => name.endsWith('win32-arm64-msvc')) ?? '';
  const elsewhere = ['--os=win32', '--cpu=arm64'] as const;

  it('has the packages of all systems, and npm ci takes the right one', async () => {
    const both = { [other]: version, [engineName]: version };
    const foreign = variant(engine, {
      name: other,
      os: ['win32'],
      cpu: ['arm64'],
      libc: undefined,
    });
    await offer(foreign, engine, variant(withoutAddon, { optionalDependencies: both }));
    await machine.succeed(['npm', 'install', ...elsewhere, 'warren']);
    expect(readdirSync(join(machine.project, 'node_modules/@warren-tunnel'))).toEqual([
      other.replace(/^.*\//, ''),
    ]);
    rmSync(join(machine.project, 'node_modules'), { recursive: true });
    await machine.succeed(['npm', 'ci']);
    expect(await facts()).toMatch(/^engine +rust$/m);
  });
});

describe('a platform package that the registry does not have', () => {
  it.skipIf(scene.engine === null)('is no obstacle to npm install, and one to npm ci', async () => {
    await offer(withoutAddon);
    await machine.succeed(['npm', 'install', 'warren']);
    expect(await facts()).toMatch(/^engine +typescript$/m);
    const { code, output } = await machine.run(['npm', 'ci']);
    expect(code).not.toBe(0);
    expect(output).toContain(`Missing: ${engineName}`);
  });
});

describe('the C++ addon', () => {
  it('is built in an installed package, where a compiler is', async ({ skip }) => {
    if (scene.noCompiler !== null) skip(scene.noCompiler);
    await offer(variant(withoutAddon, { optionalDependencies: {} }));
    await machine.succeed(['npm', 'install', 'warren']);
    const headers =
      scene.nodeHeaders === 'undefined' ? {} : { npm_config_nodedir: scene.nodeHeaders };
    const env = { ...machine.env, ...headers, PATH: process.env['PATH'] ?? '' };
    const command = ['npm', 'explore', 'warren', '--', 'npm', 'run', 'build:addon'] as const;
    await succeed(command, { cwd: machine.project, env });
    expect(await facts()).toMatch(/^engine +addon$/m);
  });
});
