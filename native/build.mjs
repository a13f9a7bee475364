/**
 * `npm run build`, after TypeScript: each native part that this machine can build. What it cannot is
 * named with its reason and is no failure; a build that fails is one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cppToolchain, lacksForRust, UNAVAILABLE } from './toolchain.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const PARTS = [
  {
    name: 'rust',
    script: 'build:native',
    file: 'native/warren.node',
    needs: () => ({ lacks: lacksForRust() }),
  },
  {
    name: 'addon',
    script: 'build:addon',
    file: 'build/Release/warren_addon.node',
    needs: cppToolchain,
  },
];

async function build({ name, script, file, needs }) {
  const { lacks, env } = needs();
  if (lacks !== undefined) return { name, result: `not built: ${lacks}` };
  process.stdout.write(`\n== ${name}: npm run ${script}\n`);
  const before = performance.now();
  const { status, lastWords } = await runScript(script, env);
  const seconds = Math.round((performance.now() - before) / 1000);
  if (status === UNAVAILABLE)
    return { name, result: `not built: ${lastWords.replace(`${script}: `, '')}` };
  if (status === 0) return { name, result: `built in ${seconds} s: ${file}` };
  return { name, result: `FAILED (npm run ${script}, exit code ${status})`, failed: true };
}

/** Its output is shown as it comes. */
async function runScript(script, env) {
  const child = spawn('npm', ['run', '--silent', script], {
    cwd: ROOT,
    // cargo sees a pipe, and would not colour what goes to a terminal all the same.
    env: { ...(process.stderr.isTTY && { CARGO_TERM_COLOR: 'always' }), ...process.env, ...env },
    // npm is a .cmd file there.
    shell: process.platform === 'win32',
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    process.stderr.write(text);
    // One line may come in pieces; it is short.
    lastWords = `${lastWords}${text}`.slice(-2000);
  });
  const [code, signal] = await once(child, 'close');
  return { status: code ?? signal, lastWords: lastWords.trimEnd().split('\n').at(-1) };
}

const rows = [{ name: 'typescript', result: 'built: dist' }];
for (const part of PARTS) rows.push(await build(part));
const width = Math.max(...rows.map(({ name }) => name.length));
const table = rows.map(({ name, result }) => `${name.padEnd(width)}  ${result}\n`);
process.stdout.write(`\n${table.join('')}`);
process.exitCode = rows.some(({ failed }) => failed) ? 1 : 0;
