import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';
import { leafPaths } from '../../../ts/config/schema-walk.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');

/** The keys of each table under a heading such as "### `[server.services.NAME]`". */
function documentedPaths(): string[] {
  return text.split(/^##+ /m).flatMap((section) => {
    const [heading = '', ...lines] = section.split('\n');
    const tables = [...heading.matchAll(/`\[([^\]]+)\]`/g)].map(([, table = '']) => table);
    const keys = lines.flatMap((line) => /^\| `([a-z0-9_]+|NAME)` \|/.exec(line)?.[1] ?? []);
    return tables.flatMap((table) => keys.map((key) => `${table}.${key}`.replace('NAME', '*')));
  });
}

test('every key of the schema is documented, and every documented key is in the schema', () => {
  expect(documentedPaths().toSorted()).toEqual(leafPaths().toSorted());
});

test('every key is in the table of what a reload does', () => {
  const reload = text.split('\n## ').find((section) => section.startsWith('Reload')) ?? '';
  for (const path of leafPaths()) {
    const [, section = '', , key = ''] = path.split('.');
    const word = section === 'services' ? key : section;
    expect(reload, path).toContain(word.replace(/_file$/, ''));
  }
});

test('the examples are valid', () => {
  const blocks = [...text.matchAll(/```toml\n(.*?)```/gs)].map(([, block = '']) => block);
  const whole = blocks.filter((block) => block.startsWith('['));
  expect(whole.length).toBeGreaterThanOrEqual(2);
  for (const block of whole) {
    expect(parseConfig(block, { file: 'example.toml' }).warnings).toEqual([]);
  }
});

test('the example of a message is what is printed', () => {
  const file =
    '[server]\nbind_addr = "h:1"\n[server.services.ssh]\ntoken = "t"\n  bind_adr = "h:2"\n';
  const run = () => parseConfig(file, { file: 'server.toml' });
  expect(run).toThrow(ConfigError);
  const section = text.split('\n## ').find((part) => part.startsWith('What is an error')) ?? '';
  const shown = [...section.matchAll(/^ {4}(.*)$/gm)].map(([, line = '']) => line).join('\n');
  expect(run).toThrow(shown);
});
