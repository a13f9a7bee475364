/**
 * `npm run test:nodes [-- OPTIONS] [FILE...]`: the e2e tests on every supported Node, with every engine
 * that is built: vitest and what it starts run on that Node.
 *
 * --node MAJOR      only this one; may be repeated
 * --engine NAME     only this one; may be repeated
 * --markdown FILE   where the table is written to, too
 *
 * Nodes are kept in WARREN_CACHE (default: ~/.cache/warren). Where not one could be tried it ends with 69.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { UNAVAILABLE } from '../../native/toolchain.mjs';
import { markdownTable } from '../helpers/markdown-table.mjs';
import { runVitest } from '../helpers/vitest-run.mjs';
import { installNode } from './install.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const CLI = join(ROOT, 'dist/cli.js');
const NODES = ['20', '22', '24', '26'];
const ENGINES = ['rust', 'addon', 'typescript'];

const several = { type: 'string', multiple: true };
const { values, positionals } = parseArgs({
  options: { node: several, engine: several, markdown: { type: 'string' } },
  allowPositionals: true,
});
const files = positionals.length === 0 ? ['test/e2e'] : positionals;
const work = mkdtempSync(join(tmpdir(), 'warren-nodes-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const told = [];
let failed = 0;
const rows = [['Node', 'engine', 'passed', 'failed', 'skipped', 'seconds', '']];
for (const major of values.node ?? NODES) {
  const installed = installNode(major);
  if (installed.reason !== undefined) {
    rows.push([major, '-', '-', '-', '-', '-', `not tested: ${installed.reason}`]);
    continue;
  }
  for (const engine of values.engine ?? ENGINES) rows.push(tryOn(installed, engine));
}
const text = `${markdownTable(rows)}${told.map((text) => `\n${text}`).join('')}\n`;
process.stdout.write(`\n${files.join(' ')}\n\n${text}`);
if (values.markdown !== undefined) writeFileSync(values.markdown, text);
const isAnyTried = rows.slice(1).some((row) => !row.at(-1).startsWith('not tested'));
process.exitCode = isAnyTried ? Math.min(failed, 1) : UNAVAILABLE;

function tryOn({ node, version }, engine) {
  const env = {
    ...process.env,
    // For what is started by name.
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    WARREN_ENGINE: engine,
  };
  const missing = lacksEngine(node, env);
  if (missing !== undefined) {
    return [version, engine, '-', '-', '-', '-', `not tested: ${missing}`];
  }
  process.stdout.write(`\n== Node ${version}, ${engine}\n`);
  const before = performance.now();
  const { passed, skipped, failures, unsteady } = runVitest({
    run: (args) => {
      const { status } = spawnSync(node, [VITEST, 'run', ...args], {
        cwd: ROOT,
        env,
        stdio: 'inherit',
      });
      return status;
    },
    files,
    results: join(work, 'results.json'),
  });
  const seconds = String(Math.round((performance.now() - before) / 1000));
  const on = `${version}, ${engine}`;
  told.push(...failures.map((it) => `FAILED: ${on}: ${it.name}\n  ${it.error}`));
  told.push(...unsteady.map((it) => `unsteady: ${on}: ${it.name}\n  ${it.error}`));
  failed += failures.length;
  const numbers = [passed, failures.length, skipped].map(String);
  return [version, engine, ...numbers, seconds, failures.length === 0 ? 'ok' : 'FAILED'];
}

/** The program's own words on that Node: undefined where it would run on that engine. */
function lacksEngine(node, env) {
  const words = [CLI, '--version', '--verbose'];
  const { stdout, stderr } = spawnSync(node, words, { env, encoding: 'utf8' });
  const engine = /^engine +(.+)$/m.exec(stdout)?.[1] ?? `the program says ${stdout}${stderr}`;
  return engine === env.WARREN_ENGINE ? undefined : engine;
}
