/** docs/warren.1 is what the definition makes now, and readers of man pages have nothing against it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS, listedOptions } from '../../../ts/commands/definition.ts';
import { manPage } from '../../../ts/commands/man-page.ts';
import { findProgram } from '../../helpers/programs.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FILE = join(ROOT, 'docs/warren.1');

function run(program: string, ...args: string[]): { stdout: string; complaints: string } {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { stdout, complaints: stderr };
}

/** What a reader prints, without bold and underlined. */
function expectWhole(rendered: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: overstriking and escape sequences.
  const text = rendered.replaceAll(/.\u0008|\u001b\[[\d;]*m/g, '');
  const named = new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g));
  const options = COMMANDS.flatMap((command) =>
    listedOptions(command).map(({ name }) => `--${name}`),
  );
  // `--global` is npm's.
  expect([...named].toSorted()).toEqual([...new Set([...options, '--global'])].toSorted());
  for (const { name } of COMMANDS) expect(text).toMatch(new RegExp(`^ {5}warren ${name}`, 'm'));
  for (const heading of ['NAME', 'SYNOPSIS', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO']) {
    expect(text).toMatch(new RegExp(`^${heading}$`, 'm'));
  }
}

describe('docs/warren.1', () => {
  it('is made of the definition: if not, npm run docs:man', () => {
    const shipped = readFileSync(FILE, 'utf8');
    const [, date = 'none'] = /^\.Dd (.*)$/m.exec(shipped) ?? [];
    expect(date).toMatch(/^[A-Z][a-z]+ \d{1,2}, \d{4}$/);
    expect(shipped).toBe(manPage(date));
  });

  it('is what package.json installs, and makes by the command that the page names', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(manifest.man).toEqual(['./docs/warren.1']);
    const [, script = ''] = /"npm run ([\w:]+)"/.exec(readFileSync(FILE, 'utf8')) ?? [];
    expect(manifest.scripts[script]).toContain('.ci/man-page.mjs');
  });

  it.skipIf(findProgram('mandoc') === undefined)('is right to mandoc', () => {
    const { stdout } = run('mandoc', '-T', 'lint', '-W', 'style', FILE);
    expect(stdout).toBe('');
    expectWhole(run('mandoc', '-T', 'utf8', FILE).stdout);
  });

  it.skipIf(findProgram('groff') === undefined)('is right to groff', () => {
    const { stdout, complaints } = run('groff', '-ww', '-mandoc', '-T', 'utf8', FILE);
    expect(complaints).toBe('');
    expectWhole(stdout);
  });
});
