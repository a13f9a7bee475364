import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { quote } from '../../../ts/config/key-path.ts';
import { locate } from '../../../ts/config/locate.ts';

const word = fc.oneof(
  fc.constantFrom(
    'a',
    'b-1',
    'server',
    '',
    '[x]',
    '#',
    '=',
    'a.b',
    '"',
    "'",
    '\\',
    'é',
    '__proto__',
  ),
  fc.string({ maxLength: 6 }),
);
const key = word.map((name) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name)));
const longString = fc
  .array(fc.constantFrom('[x]\n', '# no\n', 'k = 1\n', '"', "'", ' '), { maxLength: 6 })
  .map((parts) => parts.join(''));
const scalar = fc.oneof(
  word.map(quote),
  longString.map((text) => `"""${text.replaceAll('"', '\\"')}"""`),
  longString.map((text) => `'''${text.replaceAll("'", '')}'''`),
  fc.constantFrom('1', '-0x1'.slice(1), '3.5', 'true', 'inf', '1979-05-27 07:32:00', '07:32:00'),
);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', # [c] = "\n')}]`),
    fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 3, selector: ([name]) => name })
      .map((pairs) => `{ ${pairs.map(([name, inner]) => `${name} = ${inner}`).join(', ')} }`),
  ),
}));
const dotted = fc.array(key, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(' . '));
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(dotted, value).map(([path, inner]) => `${path} = ${inner}`) },
  { weight: 1, arbitrary: dotted.map((path) => `[${path}]`) },
  { weight: 1, arbitrary: dotted.map((path) => `[[${path}]] # [x] = "`) },
  { weight: 1, arbitrary: word.map((text) => `# ${text.replaceAll(/[^ -~]/g, '')}`) },
);
const document = fc
  .tuple(
    fc.array(line, { maxLength: 8 }),
    fc.constantFrom('\n', '\r\n'),
    fc.constantFrom('', '\uFEFF'),
  )
  .map(([lines, newline, mark]) => mark + lines.join('\n').replaceAll('\n', newline));

type Leaf = [path: string, value: unknown];

function leavesOf(node: unknown, path: (string | number)[] = []): Leaf[] {
  if (Array.isArray(node)) return node.flatMap((item, index) => leavesOf(item, [...path, index]));
  if (typeof node !== 'object' || node === null || node instanceof Date) {
    return [[JSON.stringify(path), node]];
  }
  return Object.entries(node).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}

function parseOrSkip(text: string) {
  try {
    return parse(text);
  } catch {
    return fc.pre(false);
  }
}

test('every value of a valid text is found, and is the text at its place', () => {
  fc.assert(
    fc.property(document, (text) => {
      const parsed = leavesOf(parseOrSkip(text));
      const locations = locate(text);
      const found = locations.leaves.map(({ path, start, end }): Leaf => {
        return [JSON.stringify(path), parse(`v = ${text.slice(start, end)}`)['v']];
      });
      const sorted = (leaves: Leaf[]) => leaves.toSorted(([a], [b]) => (a < b ? -1 : 1));
      expect(sorted(found)).toEqual(sorted(parsed));
      for (const { path } of locations.leaves) expect(locations.find(path)).toBeDefined();
    }),
    { numRuns: 1000 },
  );
});

test('never throws, whatever the text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'[]{}"\'=.,#\\ \n\rab1\uFEFF'), maxLength: 60 }),
      (text) => {
        const locations = locate(text);
        for (let at = 0; at <= text.length; at += 1) {
          const { line: row, column } = locations.position(at);
          expect(row).toBeGreaterThan(0);
          expect(column).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 1000 },
  );
});
