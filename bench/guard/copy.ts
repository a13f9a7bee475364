// The copy of warren at a commit: taken from git, built, and kept for the next time. What is half
// made stands beside and is moved into place when it works, so it never looks done.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../load/generator.ts';
import { takeLock } from './lock.ts';
import type { Commit } from './repository.ts';
import { runStep, type Step, say, since } from './step.ts';

/** The copies used last; one takes about 350 MB. */
const KEPT_COPIES = 4;
const MARK = '.warren-guard.json';
const NEEDED = ['dist/cli.js', 'native/warren.node'];
/** What else decides the code that cargo makes: a copy of other settings is not comparable. */
const SETTINGS = /^(CARGO_PROFILE_|CARGO_BUILD_|CARGO_TARGET_\w+_RUSTFLAGS|(\w+_)?RUSTFLAGS|RUSTC)/;
const SHA = /^[0-9a-f]{40,64}$/;

export interface Copy {
  readonly directory: string;
  readonly cli: string;
}

/** Where copies are kept, as .ci/run keeps its slow builds. */
export function guardDirectory(): string {
  const { WARREN_CACHE: cache, HOME: home } = process.env;
  return join(cache || join(home || homedir() || tmpdir(), '.cache/warren'), 'guard');
}

/**
 * The copy of a commit: the one of an earlier time, or one that is built now.
 *
 * @throws Error with the last lines of the program that could not build it.
 */
export async function provideCopy(
  commit: Commit,
  root: string = ROOT,
  home: string = guardDirectory(),
): Promise<Copy> {
  const directory = join(home, commit.sha);
  const settings = buildSettings();
  if (!isDone(directory, settings)) await makeCopy({ commit, root, home, settings });
  const now = new Date();
  utimesSync(directory, now, now);
  dropOldCopies(home);
  return { directory, cli: join(directory, 'dist/cli.js') };
}

/** Removes all copies; gives where they were. */
export function removeCopies(): string {
  const home = guardDirectory();
  rmSync(home, { recursive: true, force: true });
  return home;
}

/** @throws Error without cargo. */
function buildSettings(): string {
  const { error, stdout } = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) {
    throw new Error(
      'a copy of warren needs cargo, which was not found on PATH; install Rust from https://rustup.rs and run this again',
    );
  }
  const environment = Object.entries(buildEnvironment(''))
    .filter(([name]) => SETTINGS.test(name) && name !== 'CARGO_TARGET_DIR')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const settings = { cargo: stdout.trim(), environment: Object.fromEntries(environment) };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

/**
 * The copies share a target directory, which is not that of the working tree: cargo names what it
 * makes by the package, so either would overwrite the other's.
 */
function buildEnvironment(target: string): NodeJS.ProcessEnv {
  // @napi-rs/cli would look for the addon in the second one first.
  const { CARGO_TARGET_DIR: _, CARGO_BUILD_TARGET_DIR: __, ...environment } = process.env;
  return { ...environment, CARGO_TARGET_DIR: target, CARGO_TERM_COLOR: 'never', NO_COLOR: '1' };
}

function isDone(directory: string, settings: string): boolean {
  try {
    return readFileSync(join(directory, MARK), 'utf8') === settings;
  } catch {
    return false;
  }
}

interface Making {
  readonly commit: Commit;
  /** The repository. */
  readonly root: string;
  readonly home: string;
  readonly settings: string;
}

async function makeCopy({ commit, root, home, settings }: Making): Promise<void> {
  mkdirSync(home, { recursive: true });
  const making = join(home, 'making');
  const log = join(home, 'making.log');
  const unlock = takeLock(join(home, 'making.pid'));
  const clear = (): void => rmSync(making, { recursive: true, force: true, maxRetries: 3 });
  process.once('exit', clear);
  try {
    clear();
    mkdirSync(making);
    writeFileSync(log, '');
    const directory = join(home, commit.sha);
    const again = existsSync(directory) ? ' again, as it was built with other settings' : '';
    const began = performance.now();
    say(`building a copy of warren at ${commit.short}${again} in ${directory}`);
    say(`this takes minutes, and the first copy longer; it is kept for the next time`);
    const place = { cwd: making, env: buildEnvironment(join(home, 'target')), log };
    const steps = stepsOf(root, commit, making);
    for (const [index, step] of steps.entries()) {
      say(`[${index + 1}/${steps.length}] ${step.title}`);
      await runStep(step, place);
    }
    const lacking = NEEDED.find((file) => !existsSync(join(making, file)));
    if (lacking !== undefined) throw new Error(`the build made no ${lacking}`);
    writeFileSync(join(making, MARK), settings);
    rmSync(directory, { recursive: true, force: true });
    renameSync(making, directory);
    say(`the copy is ready after ${since(began)}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`no copy of warren at ${commit.short} (${commit.subject}): ${reason}`);
  } finally {
    clear();
    process.removeListener('exit', clear);
    unlock();
  }
}

function stepsOf(root: string, { sha }: Commit, making: string): Step[] {
  // Times of now: cargo judges by them what it must build anew, and the target directory has what
  // was built of another commit.
  const extract = 'git -C "$1" archive --format=tar "$2" | tar -x -m -C "$3"';
  return [
    { title: 'its files', command: ['sh', '-c', extract, 'sh', root, sha, making] },
    {
      title: 'npm ci',
      command: ['npm', 'ci', '--include=dev', '--no-audit', '--no-fund'],
    },
    { title: 'TypeScript', command: ['npm', 'run', '--silent', 'build:ts'] },
    {
      title: 'native addon, by cargo: this is the long one',
      command: ['npm', 'run', '--silent', 'build:native'],
    },
  ];
}

/** Those used longest ago; their directories' times say so. */
function dropOldCopies(home: string): void {
  const copies = readdirSync(home)
    .filter((name) => SHA.test(name))
    .map((name) => ({ name, usedAt: statSync(join(home, name)).mtimeMs }))
    .sort((a, b) => b.usedAt - a.usedAt);
  for (const { name } of copies.slice(KEPT_COPIES)) {
    say(`removing the copy of ${name.slice(0, 7)}: ${KEPT_COPIES} are kept`);
    rmSync(join(home, name), { recursive: true, force: true });
  }
}
