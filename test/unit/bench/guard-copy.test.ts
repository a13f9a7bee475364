import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { provideCopy } from '../../../bench/guard/copy.ts';
import { type Commit, findCommit } from '../../../bench/guard/repository.ts';

// A project whose builds take no time, by an npm and a cargo that are short scripts.
const directory = mkdtempSync(join(tmpdir(), 'warren-guard-copy-'));
const root = join(directory, 'project');
const home = join(directory, 'cache');
const counter = join(directory, 'builds');

function git(...args: readonly string[]): void {
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
  const { status, stderr } = spawnSync('git', [...who, ...args], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** A commit whose addon is built by this script. */
function commit(subject: string, native: string): Commit {
  writeFileSync(join(root, 'build.sh'), `set -e\n${native}\necho built >> ${counter}\n`);
  git('add', '--all');
  git('commit', '--quiet', '--message', subject);
  return findCommit('HEAD', root);
}

/** The addon says where cargo was to build, and with what. */
const WORKS =
  'mkdir -p native && echo $CARGO_TARGET_DIR $CARGO_BUILD_TARGET_DIR $RUSTFLAGS > native/warren.node';

const NPM = `#!/bin/sh
case "$*" in
  ci*) ;;
  *build:ts) mkdir -p dist && echo cli > dist/cli.js ;;
  *build:native) sh build.sh ;;
  *) exit 9 ;;
esac
`;

function copies(): string[] {
  return readdirSync(home).filter((name) => name.length >= 40);
}

function builds(): number {
  return existsSync(counter) ? readFileSync(counter, 'utf8').trim().split('\n').length : 0;
}

beforeAll(() => {
  mkdirSync(root);
  git('init', '--quiet');
  writeFileSync(join(directory, 'cargo'), '#!/bin/sh\necho cargo 1.2.3\n', { mode: 0o755 });
  writeFileSync(join(directory, 'npm'), NPM, { mode: 0o755 });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

function withScripts(): void {
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
}

describe('the copy of a commit', () => {
  it('is built once, in a target directory of its own, from files that are new to cargo', async () => {
    withScripts();
    vi.stubEnv('CARGO_TARGET_DIR', '/tmp/of-the-working-tree');
    vi.stubEnv('CARGO_BUILD_TARGET_DIR', '/tmp/of-the-working-tree');
    vi.stubEnv('RUSTFLAGS', '');
    const works = commit('works', WORKS);
    // Long before this test by git; cargo would take it for built.
    const began = Date.now() - 1000;
    const copy = await provideCopy(works, root, home);
    expect(readFileSync(copy.cli, 'utf8')).toBe('cli\n');
    const addon = readFileSync(join(copy.directory, 'native/warren.node'), 'utf8');
    expect(addon.trim()).toBe(join(home, 'target'));
    expect(statSync(join(copy.directory, 'build.sh')).mtimeMs).toBeGreaterThan(began);
    expect(builds()).toBe(1);
    expect(await provideCopy(works, root, home)).toEqual(copy);
    expect(builds()).toBe(1);
    expect(readdirSync(home).sort()).toEqual([works.sha, 'making.log'].sort());
  });

  it('is built again for other settings of the compiler', async () => {
    withScripts();
    vi.stubEnv('RUSTFLAGS', '');
    const works = commit('works, too', `echo too; ${WORKS}`);
    await provideCopy(works, root, home);
    const before = builds();
    vi.stubEnv('RUSTFLAGS', '-Copt-level=1');
    const { directory: built } = await provideCopy(works, root, home);
    expect(builds()).toBe(before + 1);
    expect(readFileSync(join(built, 'native/warren.node'), 'utf8')).toContain('-Copt-level=1');
  });

  it('is not there when the build fails, which is told', async () => {
    withScripts();
    const fails = commit('fails', 'echo error: no such thing >&2; exit 7');
    const failure = provideCopy(fails, root, home);
    await expect(failure).rejects.toThrow(`no copy of warren at ${fails.short} (fails)`);
    await expect(failure).rejects.toThrow('error: no such thing');
    const empty = commit('makes nothing', 'true');
    await expect(provideCopy(empty, root, home)).rejects.toThrow('made no native/warren.node');
    expect(copies()).not.toContain(fails.sha);
    expect(copies()).not.toContain(empty.sha);
    expect(existsSync(join(home, 'making'))).toBe(false);
    expect(existsSync(join(home, 'making.pid'))).toBe(false);
  });

  it('goes when others were used since', async () => {
    withScripts();
    const first = commit('first', `${WORKS} #1`);
    await provideCopy(first, root, home);
    const later: Commit[] = [];
    for (const subject of ['second', 'third', 'fourth', 'fifth']) {
      later.push(commit(subject, `${WORKS} #${subject}`));
      await provideCopy(findCommit('HEAD', root), root, home);
    }
    expect(copies().sort()).toEqual(later.map(({ sha }) => sha).sort());
  });

  it('needs cargo', async () => {
    const works = commit('without cargo', `${WORKS} #2`);
    const git = spawnSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).stdout.trim();
    vi.stubEnv('PATH', join(git, '../no-cargo-here'));
    await expect(provideCopy(works, root, home)).rejects.toThrow('needs cargo');
  });
});
