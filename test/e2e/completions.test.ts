/** `warren completion SHELL` in the real shells: what they offer, and how they take it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHELLS } from '../../ts/commands/definition.ts';
import { CliWorld, runCli } from '../helpers/cli.ts';
import {
  BASH_COMPLETION,
  type Complete,
  completeInBash,
  completeInFish,
  completeInSourcedZsh,
  completeInZsh,
  linesInFish,
  type Place,
  typeInBash,
} from '../helpers/completion-shells.ts';
import { findProgram } from '../helpers/programs.ts';

const HAS = {
  bash: findProgram('bash') !== undefined,
  zsh: findProgram('zsh') !== undefined,
  fish: findProgram('fish') !== undefined,
  // That of util-linux.
  script: process.platform === 'linux' && findProgram('script') !== undefined,
};

const COMMANDS = ['check', 'completion', 'demo', 'genkey', 'status'];
const LONG_OPTIONS = [
  '--access-log',
  '--client',
  '--drain-timeout',
  '--genkey',
  '--help',
  '--server',
  '--verbose',
  '--version',
];
const CONFIGS = ['a.toml', "it's.toml", 'my dir', 'my file.toml', 'checks'];
const OTHERS = ['other.txt'];

/** What is typed, the words that are offered, and the files: all, those for a CONFIG, or none. */
type Case = readonly [typed: string, words: readonly string[], files: 'any' | 'config' | 'none'];

const CASES: readonly Case[] = [
  ['warren ', COMMANDS, 'config'],
  ['warren --', LONG_OPTIONS, 'none'],
  ['warren --d', ['--drain-timeout'], 'none'],
  ['warren -s ', COMMANDS, 'config'],
  ['warren a.toml --dr', ['--drain-timeout'], 'none'],
  ['warren a.toml --drain-timeout 3 --acc', ['--access-log'], 'none'],
  ['warren --drain-timeout ', [], 'none'],
  ['warren --drain-timeout=', [], 'none'],
  ['warren --drain-timeout 3 ', COMMANDS, 'config'],
  ['warren --genkey=', ['x25519'], 'none'],
  ['warren -- ', [], 'config'],
  ['warren -- --', [], 'none'],
  ['warren check ', [], 'config'],
  ['warren -s check ', [], 'config'],
  ['warren check -- ', [], 'config'],
  ['warren check --', ['--client', '--help', '--server'], 'none'],
  ['warren check check --c', ['--client'], 'none'],
  ['warren genkey --', ['--force', '--help', '--json', '--out'], 'none'],
  ['warren genkey --out ', [], 'any'],
  ['warren genkey --out=', [], 'any'],
  ['warren status --', ['--help', '--json'], 'none'],
  ['warren completion ', ['bash', 'fish', 'zsh'], 'none'],
  ['warren completion z', ['zsh'], 'none'],
  ['warren demo --s', ['--size'], 'none'],
  ['warren demo --size ', [], 'none'],
];

const world = new CliWorld();
const folder = join(world.folder, 'work');
const place: Place = { folder, home: join(world.folder, 'home') };
/** By the names that the shells look for. */
const scripts = {
  bash: join(place.home, '.local/share/bash-completion/completions/warren'),
  zsh: join(world.folder, 'zsh/_warren'),
  fish: join(place.home, '.config/fish/completions/warren.fish'),
};

beforeAll(async () => {
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await runCli(['completion', shell]);
    expect([code, stderr]).toEqual([0, '']);
    mkdirSync(join(scripts[shell], '..'), { recursive: true });
    writeFileSync(scripts[shell], stdout);
  }
  mkdirSync(join(folder, 'my dir'), { recursive: true });
  mkdirSync(join(folder, 'checks'));
  for (const name of ['a.toml', "it's.toml", 'my file.toml', 'my dir/inner.toml', 'other.txt']) {
    writeFileSync(join(folder, name), '');
  }
});
afterAll(() => world.clean());

/** Returns the files that are offered: a shell may have more than those that are wanted. */
function expectOffer(complete: Complete, script: string, [typed, words, files]: Case): string[] {
  const offered = complete(place, script, typed);
  const all = [...CONFIGS, ...OTHERS];
  expect(offered.filter((name) => !all.includes(name))).toEqual(words);
  const offeredFiles = offered.filter((name) => all.includes(name));
  const wanted = { any: all, config: CONFIGS, none: [] }[files];
  expect(offeredFiles).toEqual(expect.arrayContaining(wanted));
  if (files === 'none') expect(offeredFiles).toEqual([]);
  return offeredFiles;
}

describe.skipIf(!HAS.bash)('bash', () => {
  it.each(CASES)('%j', (...each) => {
    const files = expectOffer(completeInBash, scripts.bash, each);
    if (each[2] === 'config') expect(files).toEqual(CONFIGS.toSorted());
  });

  const source = () => `source '${scripts.bash}'`;

  it.skipIf(!HAS.script).each([
    ['warren check my\\ f\t', ['check', 'my file.toml']],
    ['warren check "my f\t', ['check', 'my file.toml']],
    ["warren check 'my f\t", ['check', 'my file.toml']],
    ['warren my\\ d\tinn\t', ['my dir/inner.toml']],
    ['warren it\t', ["it's.toml"]],
    ['warren ./a\t--acc\t', ['./a.toml', '--access-log']],
    // No configuration is called so: what readline finds by itself.
    ['warren oth\t', ['other.txt']],
    ['warren genkey --out=oth\t', ['genkey', '--out=other.txt']],
  ])('at a terminal: %j', (typed, words) => {
    expect(typeInBash(place, source(), typed)).toEqual(words);
  });

  it.skipIf(!HAS.script)('at a terminal with set -u', () => {
    const typed = 'warren check --cl\ta\t';
    expect(typeInBash(place, `set -u; ${source()}`, typed)).toEqual([
      'check',
      '--client',
      'a.toml',
    ]);
  });

  const hasPackage = HAS.script && existsSync(BASH_COMPLETION);
  it.skipIf(!hasPackage)('is found by the bash-completion package', () => {
    const setup = `source ${BASH_COMPLETION}`;
    expect(typeInBash(place, setup, 'warren gen\t--js\t')).toEqual(['genkey', '--json']);
  });
});

describe.skipIf(!HAS.zsh)('zsh', () => {
  it.each(CASES)('%j', (...each) => {
    const files = expectOffer(completeInZsh, scripts.zsh, each);
    if (each[2] === 'config') expect(files).toEqual(CONFIGS.toSorted());
  });

  it.each([
    ['warren check my\\ f', ['my file.toml']],
    ['warren check "my f', ['my file.toml']],
    ['warren my\\ dir/', ['inner.toml']],
    ['warren oth', OTHERS],
    // What excludes each other is not offered together.
    ['warren -s --c', []],
    ['warren --server --s', []],
  ])('%j', (typed, offered) => {
    expect(completeInZsh(place, scripts.zsh, typed)).toEqual(offered);
  });

  it('can be evaluated, too', () => {
    expect(completeInSourcedZsh(place, scripts.zsh, 'warren --acc')).toEqual(['--access-log']);
  });
});

describe.skipIf(!HAS.fish)('fish', () => {
  it.each(CASES)('%j', (...each) => {
    expectOffer(completeInFish, scripts.fish, each);
  });

  it.each([
    ['warren check my\\ f', ['my file.toml']],
    ['warren check "my f', ['my file.toml']],
    ['warren my\\ dir/', ['my dir/inner.toml']],
  ])('%j', (typed, offered) => {
    expect(completeInFish(place, scripts.fish, typed)).toEqual(offered);
  });

  it('is found by fish where there is a program warren, which is not started', () => {
    const bin = join(world.folder, 'bin');
    const trace = join(world.folder, 'started');
    mkdirSync(bin);
    writeFileSync(join(bin, 'warren'), `#!/bin/sh\ntouch '${trace}'\n`, { mode: 0o755 });
    const complete = (typed: string): string[] => linesInFish({ ...place, bin }, 'true', typed);
    expect(complete('warren stat')).toContain(
      'status\tShow which engine this installation would run, and why',
    );
    // Those of a configuration come first.
    const files = complete('warren check ').map((line) => line.replace(/\t.*/, ''));
    expect(files.indexOf('other.txt')).toBeGreaterThan(files.indexOf('my file.toml'));
    expect(existsSync(trace)).toBe(false);
  });
});
