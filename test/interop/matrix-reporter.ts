/**
 * Prints the matrix when all tests have run: rows are transport and service, columns are engine and
 * warren's role. It reads the names of the tests in `matrix.test.ts`.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const NAME = /^matrix '?([\w+]+)'?, '?(\w+)'? server, '?(\w+)'? client > .*?\b(tcp|udp): /;

interface Cell {
  passed: number;
  failed: number;
  readonly skipped: Set<string>;
}

export class MatrixReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const rows = new Map<string, Map<string, Cell>>();
    for (const module of modules) {
      const engine = module.project.name || (process.env['WARREN_ENGINE'] ?? 'default engine');
      for (const test of module.children.allTests()) place(rows, engine, test);
    }
    if (rows.size > 0) process.stdout.write(`\n${table(rows)}\n`);
  }
}

function place(rows: Map<string, Map<string, Cell>>, engine: string, test: TestCase): void {
  const [, transport, server, , service] = NAME.exec(test.fullName) ?? [];
  if (transport === undefined || service === undefined) return;
  const row = entry(rows, `${transport} ${service}`, () => new Map<string, Cell>());
  const column = `${engine} ${server === 'warren' ? 'server' : 'client'}`;
  const cell = entry(row, column, () => ({ passed: 0, failed: 0, skipped: new Set<string>() }));
  const result = test.result();
  if (result.state === 'passed') cell.passed += 1;
  else if (result.state === 'skipped' && !brokeBefore(test))
    cell.skipped.add(result.note ?? 'no rathole 0.5.0');
  else cell.failed += 1;
}

/** It was not run because a hook around it failed. */
function brokeBefore(test: TestCase): boolean {
  for (let at = test.parent; at.type === 'suite'; at = at.parent) {
    if (at.errors().length > 0) return true;
  }
  return false;
}

function table(rows: ReadonlyMap<string, ReadonlyMap<string, Cell>>): string {
  const columns = [...new Set([...rows.values()].flatMap((row) => [...row.keys()]))].sort();
  const notes: string[] = [];
  const lines = [['transport, service', ...columns]];
  for (const [name, row] of rows) {
    lines.push([name, ...columns.map((column) => text(row.get(column), notes))]);
  }
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const body = lines.map((line) =>
    line
      .map((value, at) => value.padEnd(widths?.[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const foot = notes.map((note, index) => `[${index + 1}] skipped: ${note}`);
  return ['rathole 0.5.0 at the other end of warren', ...body, ...foot].join('\n');
}

function text(cell: Cell | undefined, notes: string[]): string {
  if (cell === undefined) return '-';
  const marks = [...cell.skipped].map((reason) => {
    if (!notes.includes(reason)) notes.push(reason);
    return ` [${notes.indexOf(reason) + 1}]`;
  });
  const { passed, failed } = cell;
  if (failed > 0) return `FAIL ${failed} of ${passed + failed}${marks.join('')}`;
  return (passed > 0 ? 'pass' : 'skipped') + marks.join('');
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}
