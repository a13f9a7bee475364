/**
 * Tables in the code and pages in `docs/` say the same, both ways; what pages point to and name is
 * there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS, GLOBAL_OPTIONS, optionSyntax, SHELLS } from '../../ts/commands/definition.ts';
import { EXIT_CODES } from '../../ts/commands/exit-codes.ts';
import { ENVIRONMENT, SIGNALS } from '../../ts/commands/usage.ts';
import { parseConfig } from '../../ts/config/load.ts';
import { generateNoiseKeys } from '../../ts/credentials/noise-keys.ts';
import { END_REASONS, REASONS } from '../../ts/engine/reason.ts';
import { ERROR_CODES } from '../../ts/errors.ts';
import { DEFAULT_LIMITS } from '../../ts/limits.ts';
import { TRANSPORTS } from '../helpers/transport-cases.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'GLOSSARY.md',
  'examples/systemd/README.md',
  ...readdirSync(join(root, 'docs'), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => `docs/${name}`),
];

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** As GitHub makes an anchor of a heading. */
function anchorsOf(page: string): string[] {
  const headings = read(page).matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The rows of a page's tables whose first cell is a code, as cells without the code marks. */
function rows(page: string): string[][] {
  return read(`docs/${page}`)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell, index) => (index === 0 ? bare(cell) : cell.trim())));
}

function bare(cell: string): string {
  return cell.trim().replaceAll('`', '');
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** Where the options of a command are in command-line.md. */
const SECTIONS: Readonly<Record<string, string>> = {
  '': 'Options',
  check: 'Check',
  genkey: 'Keys',
  status: 'Status',
  completion: 'Completions',
  demo: 'Demo',
};

/** The options that a section of command-line.md has, as they are typed. */
function optionRows(section: string): string[] {
  const [, text = ''] = read('docs/command-line.md').split(`\n## ${section}\n`);
  const [own = ''] = text.split('\n## ');
  return [...own.matchAll(/^\| (`-[^|]*) \|/gm)].map(([, cell = '']) => bare(cell));
}

/** The name and the operand in `warren check [-s|-c] CONFIG`. */
function commandOf(typed: string): [name: string, operand: string] {
  const words = typed
    .replaceAll(/\[.*?\]/g, '')
    .split(' ')
    .slice(1);
  const name = words.find((word) => /^[a-z]+$/.test(word)) ?? '';
  return [name, words.find((word) => /^[A-Z]+$/.test(word)) ?? ''];
}

/** No cell of a row is left empty. */
function expectFilled(table: string[][]): void {
  for (const cells of table) expect(cells.filter((cell) => cell === '')).toEqual([]);
}

describe('docs', () => {
  it('errors.md has every error code with its side and retry, and no other', () => {
    const table = rows('errors.md');
    const expected = Object.entries(ERROR_CODES).map(([code, { side, retry }]) => {
      return [code, side, yesNo(retry)];
    });
    expect(table.map((cells) => cells.slice(0, 3))).toEqual(expected);
    expectFilled(table);
  });

  it('reasons.md has every end reason with what it is of, and no other', () => {
    const table = rows('reasons.md');
    const expected = END_REASONS.map((code) => [code, REASONS[code].of, yesNo(REASONS[code].ok)]);
    expect(table.map((cells) => cells.slice(0, 3)).toSorted()).toEqual(expected.toSorted());
    for (const [, , , end] of table) expect(['server', 'client', 'both']).toContain(end);
    expectFilled(table);
  });

  it('limits.md has every limit with its default, and no other', () => {
    const table = rows('limits.md');
    const expected = Object.entries(DEFAULT_LIMITS).map(([name, value]) => {
      return [name, value.toLocaleString('en')];
    });
    expect(table.map((cells) => cells.slice(0, 2)).toSorted()).toEqual(expected.toSorted());
    expectFilled(table);
  });

  it('command-line.md has every command, and no other', () => {
    const [, lines = ''] = read('docs/command-line.md').split('\n\n');
    const typed = lines.split('\n').map((line) => line.trim().split(/ {2,}/)[0] ?? '');
    const named = typed.filter((line) => !line.startsWith('warren --help'));
    const expected = COMMANDS.map(({ name, operand }) => [name, operand?.name ?? '']);
    expect(named.map(commandOf)).toEqual(expected);
  });

  it.each(COMMANDS)('command-line.md has every option of "$name", and no other', (command) => {
    const { name, options } = command;
    const named = optionRows(SECTIONS[name] ?? '');
    const all = name === '' ? [...options, ...GLOBAL_OPTIONS] : options;
    expect(named).toEqual(all.map((option) => optionSyntax(option).replaceAll(/[<>]/g, '')));
  });

  it('command-line.md has every variable of the environment, and no other', () => {
    const named = rows('command-line.md').map(([name = '']) => name);
    expect(named.filter((name) => /^[A-Z_]{3,}$/.test(name))).toEqual(
      ENVIRONMENT.map(([it]) => it),
    );
  });

  it('command-line.md has every signal, exit code and shell', () => {
    const page = read('docs/command-line.md');
    for (const [signals] of SIGNALS) expect(page).toContain(`| ${signals} |`);
    const table = rows('command-line.md').map(([code]) => code);
    expect(table.filter((code) => /^\d/.test(code ?? ''))).toEqual(
      EXIT_CODES.map(([code]) => code),
    );
    for (const shell of SHELLS) expect(page).toContain(`warren completion ${shell}`);
  });

  it.each(PAGES)('%s links to what is there', (page) => {
    // A line break within a link's text is none to a reader.
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      if (link.includes('://')) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : join(dirname(page), file);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('README.md has a quick start that warren takes', () => {
    const key = Buffer.from(generateNoiseKeys().publicKey).toString('base64');
    const text = read('README.md').replaceAll(/the (private|public) key"/g, `${key}"`);
    const files = [...text.matchAll(/```toml\n(.*?)```/gs)].map(([, file = '']) => file);
    expect(files).toHaveLength(2);
    for (const file of files) {
      expect(parseConfig(file, { file: 'quick-start.toml' }).warnings).toEqual([]);
    }
  });

  it('README.md has every transport', () => {
    const [, table = ''] = read('README.md').split('| `transport.type` |');
    const named = [...table.matchAll(/^\| `(\w+)`( with `tls = true`)? \|/gm)];
    const names = named.map(([, type = '', overTls]) => (overTls ? `${type}+tls` : type));
    expect(names.toSorted()).toEqual([...TRANSPORTS].toSorted());
  });

  it('ARCHITECTURE.md names files of the Rust engine that are there', () => {
    const [, table = ''] = read('ARCHITECTURE.md').split('What only this engine has');
    const lines = table.split('\n').filter((line) => line.startsWith('| `'));
    const named = lines.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)]);
    const files = named.map(([, file = '']) => file);
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !existsSync(join(root, 'native/core/src', file)))).toEqual([]);
  });
});
