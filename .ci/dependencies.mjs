/**
 * Licences, sources and version requirements of everything that Cargo.lock names, by the rules of
 * deny.toml. What cargo-deny would say of them, in no time and offline; advisories are not looked at.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';

const rules = parse(readFileSync(new URL('../deny.toml', import.meta.url), 'utf8'));
const licenses = new Set(rules.licenses.allow);
const sources = new Set(rules.sources['allow-registry'].map((url) => `registry+${url}`));

/** Whether an SPDX expression can be met; old crates write OR as a slash. */
function isAllowed(expression) {
  const words = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const term = () => {
    if (words[at] === '(') {
      at += 1;
      const inner = either();
      at += 1;
      return inner;
    }
    let isMet = licenses.has(words[at]);
    at += 1;
    // An exception is another licence: it has to be on the list itself.
    if (words[at] === 'WITH') {
      isMet = licenses.has(`${words[at - 1]} WITH ${words[at + 1]}`);
      at += 2;
    }
    return isMet;
  };
  const both = () => {
    let isMet = term();
    for (; words[at] === 'AND'; isMet = term() && isMet) at += 1;
    return isMet;
  };
  const either = () => {
    let isMet = both();
    for (; words[at] === 'OR'; isMet = both() || isMet) at += 1;
    return isMet;
  };
  return either() && at === words.length;
}

const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--locked'], {
  encoding: 'utf8',
  maxBuffer: 1 << 28,
});
const { packages } = JSON.parse(metadata);

const problems = [];
for (const { name, version, license, source, dependencies } of packages) {
  const told = (problem) => problems.push(`${name} ${version}: ${problem}`);
  if (!isAllowed(license ?? '')) told(`licence ${license ?? 'unknown'} is not in deny.toml`);
  if (source !== null && !sources.has(source)) told(`comes from ${source}`);
  // The registry takes no wildcards, so only our own can have them.
  if (source === null) {
    for (const { name: other, req, path } of dependencies) {
      if (req === '*' && path === undefined) told(`any version of ${other} would do`);
    }
  }
}

for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${packages.length} crates, ${problems.length} problems\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
