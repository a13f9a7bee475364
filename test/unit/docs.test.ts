/** Tables in the code and pages in `docs/` say the same, both ways. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../ts/commands/exit-codes.ts';
import { END_REASONS, REASONS } from '../../ts/engine/reason.ts';
import { ERROR_CODES } from '../../ts/errors.ts';
import { DEFAULT_LIMITS } from '../../ts/limits.ts';

/** The rows of a page's tables whose first cell is a code, as cells without the code marks. */
function rows(page: string): string[][] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  return text
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

  it('command-line.md has every exit code', () => {
    const table = rows('command-line.md').map(([code]) => code);
    for (const [code] of EXIT_CODES) expect(table).toContain(code);
  });
});
