/**
 * A verdaccio on loopback. Our packages are only what a test publishes there; all others come from the
 * registry that npm uses on this machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../helpers/process-ports.ts';
import { until, within } from '../helpers/process-resources.ts';

/** What a test needs of it; plain data, because vitest hands it to other processes. */
export interface RegistryAccess {
  readonly url: string;
  /** npm's configuration file of who may publish. */
  readonly publisher: string;
}

const START_MS = 60_000;

export class Registry {
  readonly access: RegistryAccess;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(access: RegistryAccess, child: ChildProcess) {
    this.access = access;
    this.#child = child;
    this.#ended = once(child, 'close');
  }

  /** `node` runs it, because it may want a newer one than these tests. */
  static async start(
    folder: string,
    node: string,
    verdaccio: string,
    uplink: string,
  ): Promise<Registry> {
    mkdirSync(folder);
    const address = `127.0.0.1:${await freePort()}`;
    const config = join(folder, 'config.json');
    writeFileSync(config, JSON.stringify(configuration(folder, uplink)));
    const child = spawn(node, [verdaccio, '--config', config, '--listen', address], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
    }
    const url = `http://${address}/`;
    const publisher = join(folder, 'publisher.npmrc');
    const registry = new Registry({ url, publisher }, child);
    try {
      await until('verdaccio to answer', () => answers(url, child, said), START_MS);
      const token = await addUser(url);
      writeFileSync(publisher, `registry=${url}\n//${address}/:_authToken=${token}\n`);
    } catch (error) {
      await registry.destroy();
      throw new Error(`no registry: ${said.join('')}`, { cause: error });
    }
    return registry;
  }

  async destroy(): Promise<void> {
    this.#child.kill('SIGKILL');
    await within(this.#ended, 'verdaccio to end');
  }
}

function configuration(folder: string, uplink: string): unknown {
  const own = { access: '$all', publish: '$authenticated', unpublish: '$authenticated' };
  return {
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    uplinks: { others: { url: uplink, maxage: '1d' } },
    packages: {
      warren: own,
      '@warren-tunnel/*': own,
      '**': { access: '$all', proxy: 'others' },
    },
    web: { enable: false },
    log: { type: 'stdout', format: 'pretty', level: 'warn' },
  };
}

async function answers(url: string, child: ChildProcess, said: string[]): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`verdaccio ended: ${said.join('')}`);
  const { ok } = await fetch(`${url}-/ping`);
  return ok;
}

async function addUser(url: string): Promise<string> {
  const name = 'publisher';
  const response = await fetch(`${url}-/user/org.couchdb.user:${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: 'only-for-this-run' }),
  });
  const { token } = (await response.json()) as { token?: string };
  if (token === undefined) throw new Error(`no user: ${response.status}`);
  return token;
}
