/** What a run of vitest in a process of its own came to. */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** Further arguments of that run, which make the report. */
export function reportArgs(file) {
  return ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
}

/** Undefined where the run, in the folder `root`, ended before it made one. */
export function readReport(file, root) {
  if (!existsSync(file)) return undefined;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const failures = report.testResults.flatMap(({ name: path, status, assertionResults }) => {
    const name = relative(root, path);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    // A file that could not be loaded has failed without a test of its own.
    if (failed.length === 0) return status === 'failed' ? [name] : [];
    return failed.map(({ fullName }) => `${name}: ${fullName}`);
  });
  return {
    passed: report.numPassedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
    failures,
  };
}
