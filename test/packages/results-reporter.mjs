/** Prints what each package manager got: rows are managers, columns what the registry had. */
import { markdownTable } from '../helpers/markdown-table.mjs';

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default class ResultsReporter {
  onTestRunEnd(modules) {
    const rows = new Map();
    const columns = new Set();
    const notes = new Set();
    for (const module of modules.filter(({ moduleId }) => moduleId.endsWith('install.spec.ts'))) {
      for (const test of module.children.allTests()) {
        if (test.parent.type !== 'suite') continue;
        columns.add(test.parent.name);
        const row = rows.get(test.name) ?? new Map();
        rows.set(test.name, row.set(test.parent.name, cell(test, notes)));
      }
    }
    if (rows.size === 0) return;
    const body = [...rows].map(([name, row]) => [name, ...[...columns].map((it) => row.get(it))]);
    const table = markdownTable([['installed by', ...columns], ...body]);
    process.stdout.write(`\nEngine that runs, by what the registry has\n\n${table}`);
    for (const note of notes) process.stdout.write(`skipped: ${note}\n`);
  }
}

function cell(test, notes) {
  const { state, note } = test.result();
  if (state === 'passed') return test.meta().result ?? 'ok';
  if (state !== 'skipped') return 'FAILED';
  notes.add(note ?? 'not run');
  return 'skipped';
}
