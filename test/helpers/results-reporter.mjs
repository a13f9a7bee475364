/**
 * vitest's reporter for `runVitest`: what each file came to, and errors outside of tests, as JSON in the
 * file of `--outputFile.results`. vitest's own JSON leaves the latter out.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default class ResultsReporter {
  #vitest;

  onInit(vitest) {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules, unhandledErrors) {
    const { root, outputFile } = this.#vitest.config;
    const files = modules.map((module) => fileResult(relative(root, module.moduleId), module));
    const strays = [];
    for (const thrown of unhandledErrors) {
      const failure = { name: 'outside of a test', error: told(thrown) };
      const path = thrown.VITEST_TEST_PATH;
      const file = files.find((it) => path !== undefined && it.file === relative(root, path));
      (file?.failures ?? strays).push(failure);
    }
    writeFileSync(outputFile.results, JSON.stringify({ files, strays }));
  }
}

function fileResult(file, module) {
  const tests = [...module.children.allTests()];
  const count = (state) => tests.filter((test) => test.result().state === state).length;
  // A file or a suite that could not be made ready has failed without a test of its own.
  const parents = [{ fullName: 'the file', errors: () => module.errors() }];
  parents.push(...module.children.allSuites());
  const failures = [
    ...parents.map((it) => ({ name: it.fullName, errors: it.errors() })),
    ...tests.map((it) => ({ name: it.fullName, errors: it.result().errors ?? [] })),
  ];
  return {
    file,
    passed: count('passed'),
    skipped: count('skipped'),
    failures: failures
      .filter(({ errors }) => errors.length > 0)
      .map(({ name, errors }) => ({ name, error: told(errors[0]) })),
  };
}

/** Its first line, and where it was thrown. */
function told({ name, message, stacks }) {
  const [line] = `${message}`.split('\n');
  const at = stacks?.at(0);
  return `${name}: ${line}${at === undefined ? '' : ` (line ${at.line})`}`;
}
