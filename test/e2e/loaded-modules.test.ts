/**
 * What a daemon loads: modules cost memory for as long as it runs, so what it does not need stays on the
 * disk. V8's coverage, written at the exit, names every script of the process.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliWorld } from '../helpers/cli.ts';
import { RUST } from '../helpers/rust-binding.ts';

const SERVER = '[server]\nbind_addr = "127.0.0.1:0"\ndefault_token = "t"\nservices = {}\n';

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

/** The paths of all scripts that a server with this engine has loaded. */
async function loadedBy(engine: string): Promise<string[]> {
  const folder = join(world.folder, 'coverage');
  const file = world.file('server.toml', SERVER);
  const env = { WARREN_ENGINE: engine, NODE_V8_COVERAGE: folder };
  const daemon = world.start([file], env);
  await daemon.waitForLog('warren ready');
  daemon.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      result: readonly { readonly url: string }[];
    };
    return result.map(({ url }) => url);
  });
}

describe('modules', () => {
  it.skipIf(RUST === undefined)('of the TypeScript engine are not loaded by another', async () => {
    const loaded = await loadedBy('rust');
    expect(loaded).toContainEqual(expect.stringMatching(/dist\/engine\/rust\.js$/));
    const engine = loaded.filter((url) => /dist\/(dataplane|engine\/typescript)\b/.test(url));
    // It has no socket in it: both engines collect events.
    expect(engine).toEqual([expect.stringMatching(/dist\/dataplane\/event-batch\.js$/)]);
  });

  it('are loaded with the TypeScript engine', async () => {
    const loaded = await loadedBy('typescript');
    expect(loaded).toContainEqual(expect.stringMatching(/dist\/dataplane\/tcp-link\.js$/));
  });

  it.each(['rust', 'typescript'])('for PKCS#12 stay unread (%s)', async (engine) => {
    if (engine === 'rust' && RUST === undefined) return;
    const loaded = await loadedBy(engine);
    expect(loaded.filter((url) => url.includes('node-forge'))).toEqual([]);
  });
});
