/** The same configuration files, given to rathole 0.5.0 and to us. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../ts/config/diagnostics.ts';
import { loadConfig } from '../../ts/config/load.ts';
import { CONFIG_CASES, type ConfigCase } from './config-cases.ts';

const rathole = findRathole();
const directory = mkdtempSync(join(tmpdir(), 'warren-config-'));
writeFileSync(join(directory, 'token'), 't\n');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

if (rathole === undefined) {
  process.stderr.write('skipped: no rathole binary (set WARREN_RATHOLE or put it on PATH)\n');
}

describe.skipIf(rathole === undefined)('a configuration file means the same to rathole', () => {
  test.each(CONFIG_CASES.map((entry, index) => ({ ...entry, index })))('$name', async (entry) => {
    const file = join(directory, `${entry.index}.toml`);
    writeFileSync(file, entry.text);
    const theirs = await ratholeAccepts(rathole ?? '', file);
    const { accepts: ours, message } = warrenAccepts(file);
    const expected = expectedFrom(entry);
    expect({ theirs: theirs.accepts, ours }, `${message}\n${theirs.output}`).toEqual(
      expected ?? { theirs: theirs.accepts, ours: theirs.accepts },
    );
  });

  test('there are at least 60 of them', () => {
    expect(CONFIG_CASES.length).toBeGreaterThanOrEqual(60);
    expect(new Set(CONFIG_CASES.map(({ name }) => name)).size).toBe(CONFIG_CASES.length);
  });
});

function expectedFrom({ expect: wanted }: ConfigCase) {
  if (wanted === 'same') return undefined;
  return 'stricter' in wanted ? { theirs: true, ours: false } : { theirs: false, ours: true };
}

function warrenAccepts(file: string): { accepts: boolean; message: string } {
  try {
    loadConfig(file, { env: {} });
    return { accepts: true, message: '' };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { accepts: false, message: error.message };
  }
}

/** Exit 1 is a refusal; the line of its watcher, or an abort at instance start, is acceptance. */
async function ratholeAccepts(binary: string, file: string) {
  const child = spawn(binary, [file], {
    env: { RUST_LOG: 'info' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const sawLine = new Promise<void>((resolve) => {
    const onData = (chunk: Buffer) => {
      output += chunk.toString();
      if (/watching the config|Listening at/i.test(output)) resolve();
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const first = await Promise.race([sawLine, exited]);
  await end(child, exited);
  const accepts = first === undefined || (first[0] !== 1 && first[0] !== 2);
  return { accepts, output };
}

async function end(child: ChildProcess, exited: Promise<unknown>) {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await exited;
}

function findRathole(): string | undefined {
  const named = process.env['WARREN_RATHOLE'];
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  const candidates =
    named === undefined ? directories.map((path) => join(path, 'rathole')) : [named];
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
