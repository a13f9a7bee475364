// The configuration of a server: from text to checked services, and what changes between two.

import assert from 'node:assert/strict';
import type { ServerConfig } from '#dist/config/config.js';
import { type ConfigDiff, diffServerConfig } from '#dist/config/diff.js';
import { parseConfig } from '#dist/config/load.js';
import { parseToml } from '#dist/config/toml-text.js';
import type { PureSuite, PureTask } from '../suite.ts';

const COUNTS = [1, 100, 1_000];
const MOST = 1_000;
const FIRST_PORT = 10_000;

/** A file with that many services; those whose port moves have another one than without. */
function textOf(services: number, moves: (at: number) => boolean = () => false): string {
  const tables = Array.from({ length: services }, (_, at) => {
    const port = FIRST_PORT + at + (moves(at) ? MOST : 0);
    return `[server.services.service-${at}]\ntoken = "token-${at}"\nbind_addr = "127.0.0.1:${port}"\n`;
  });
  return `[server]\nbind_addr = "127.0.0.1:2333"\n\n${tables.join('\n')}`;
}

function serverOf(text: string): ServerConfig {
  const { server } = parseConfig(text, { file: 'warren.toml', env: {} }).config;
  if (server === undefined) throw new Error('the text has a server and none was read');
  return server;
}

function parseTask(services: number): PureTask {
  const text = textOf(services);
  return {
    name: `parse and check, ${counted(services)}`,
    check() {
      const all = [...serverOf(text).services.values()];
      const ports = all.map(({ bindAddr }) => bindAddr.port);
      assert.deepEqual(
        ports,
        Array.from({ length: services }, (_, at) => FIRST_PORT + at),
      );
      assert.equal(all.at(-1)?.name, `service-${services - 1}`);
    },
    run: () => serverOf(text),
  };
}

/** The part of it that is not warren's: smol-toml and its guard. */
function tomlTask(services: number): PureTask {
  const text = textOf(services);
  const parse = (): ReturnType<typeof parseToml> => parseToml(text, 'warren.toml');
  return {
    name: `only its TOML, ${counted(services)}`,
    check() {
      const parsed = parse();
      assert.equal(parsed.ok, true);
      assert.equal(JSON.stringify(parsed).split('"token"').length - 1, services);
    },
    run: parse,
  };
}

function diffTask(services: number, name: string, moves: (at: number) => boolean): PureTask {
  const [before, after] = [serverOf(textOf(services)), serverOf(textOf(services, moves))];
  return {
    name: `${counted(services)}, ${name}`,
    check() {
      const expected = Array.from({ length: services }, (_, at) => at).filter(moves);
      const { changed, ...rest }: ConfigDiff = diffServerConfig(before, after);
      assert.deepEqual(
        changed.map((change) => change.name),
        expected.map((at) => `service-${at}`),
      );
      assert.deepEqual(rest, { general: [], renewed: [], added: [], removed: [] });
    },
    run: () => diffServerConfig(before, after),
  };
}

function counted(services: number): string {
  return services === 1 ? '1 service' : `${services.toLocaleString('en')} services`;
}

export const CONFIG_PARSE: PureSuite = {
  name: 'config-parse',
  title: 'a file with services, from its text to a checked configuration',
  method: 'tinybench',
  tasks: () => [...COUNTS.map(parseTask), tomlTask(MOST)],
};

export const CONFIG_DIFF: PureSuite = {
  name: 'config-diff',
  title: 'what changes between two configurations',
  method: 'tinybench',
  tasks: () => [
    diffTask(1, 'equal', () => false),
    diffTask(MOST, 'equal', () => false),
    diffTask(MOST, 'one changed', (at) => at === MOST / 2),
    diffTask(MOST, 'all changed', () => true),
  ],
};
