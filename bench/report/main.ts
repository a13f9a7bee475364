// Makes the page and the plots of a result again, from its JSON file.

import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readDocument } from './json.ts';
import { writePage } from './write.ts';

const HELP = `usage: node bench/dist/report/main.js RESULTS.json [--out DIR | --page FILE.md]
  RESULTS.json  what npm run bench has written
  --out DIR     where report.md and its folder of plots go; default: beside RESULTS.json
  --page FILE   the page under another name; its plots go into the folder of that name, for
                instance --page docs/benchmark.md and docs/benchmark/
`;

interface Options {
  readonly results: string;
  readonly page: string;
}

/** @throws Error on a wrong command line. */
function readOptions(args: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string' },
      page: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return 'help';
  const [results, further] = positionals;
  if (results === undefined) throw new Error('which results? Give the path of a results.json');
  if (further !== undefined) throw new Error(`one file of results, not also ${further}`);
  const { out, page } = values;
  if (out !== undefined && page !== undefined) throw new Error('--out or --page, not both');
  if (page !== undefined && !/[^/]\.md$/.test(basename(page))) {
    throw new Error(`--page must name a file that ends in .md, not ${page}`);
  }
  return { results, page: page ?? join(out ?? dirname(results), 'report.md') };
}

function main(): void {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const document = readDocument(options.results);
  mkdirSync(dirname(options.page), { recursive: true });
  const paths = writePage(document, options.page);
  process.stdout.write(`${paths.join('\n')}\n`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`bench:report: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
