/**
 * vitest in a process of its own, and what it came to. A file that failed is run once more, alone: if
 * it passes then, its tests have passed, and what failed before is named as unsteady.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';

/** More of them are no matter of luck. */
const MOST_RUN_AGAIN = 5;

/**
 * `run` runs vitest with further arguments and gives back its exit code; `results` is a file that this
 * may write. Failures and what was unsteady are `{ name, error }`.
 */
export function runVitest({ run, files, results }) {
  const first = attempt(run, files, results);
  const failures = [...first.strays];
  const unsteady = [];
  const broken = first.files.filter((it) => it.failures.length > 0);
  const again = new Map();
  if (broken.length <= MOST_RUN_AGAIN) {
    for (const { file } of broken) again.set(file, attempt(run, [file], results));
  }
  let passed = 0;
  let skipped = 0;
  for (const before of first.files) {
    const second = again.get(before.file);
    const last = second?.files.find(({ file }) => file === before.file) ?? before;
    const stillFailed = [...last.failures, ...(second?.strays ?? [])];
    const names = new Set(stillFailed.map(({ name }) => name));
    failures.push(...stillFailed.map((it) => inFile(last, it)));
    if (second !== undefined) {
      const others = before.failures.filter(({ name }) => !names.has(name));
      unsteady.push(...others.map((it) => inFile(last, it)));
    }
    passed += last.passed;
    skipped += last.skipped;
  }
  return { passed, skipped, failures, unsteady };
}

function inFile({ file }, { name, error }) {
  return { name: `${file} > ${name}`, error };
}

function attempt(run, files, results) {
  rmSync(results, { force: true });
  const reporters = ['default', './test/helpers/results-reporter.mjs'];
  const words = [...reporters.map((it) => `--reporter=${it}`), `--outputFile.results=${results}`];
  const status = run([...words, ...files]);
  const wrote = existsSync(results);
  const found = wrote ? JSON.parse(readFileSync(results, 'utf8')) : { files: [], strays: [] };
  const isTold = found.strays.length > 0 || found.files.some((it) => it.failures.length > 0);
  if (!wrote || (status !== 0 && !isTold)) {
    found.strays.push({ name: 'vitest', error: `ended with ${status}, see its output` });
  }
  return found;
}
