import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { takeLock } from '../../../bench/guard/lock.ts';
import { pairUp } from '../../../bench/guard/measure.ts';
import { HELP, readGuardOptions } from '../../../bench/guard/options.ts';
import { findCommit, workingTree } from '../../../bench/guard/repository.ts';
import { runStep } from '../../../bench/guard/step.ts';
import { WATCHED, watchedMetrics } from '../../../bench/guard/watched.ts';
import { ROWS } from '../../../bench/load/rows/rows.ts';
import type { Sample } from '../../../bench/load/schedule.ts';

const directory = mkdtempSync(join(tmpdir(), 'warren-guard-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function sample(round: number, gbit: number | undefined): Sample {
  return { round, numbers: gbit === undefined ? {} : { gbit }, series: {}, others: 0 };
}

describe('guard options', () => {
  it('need a commit', () => {
    expect(() => readGuardOptions([])).toThrow('which commit?');
    expect(() => readGuardOptions(['--only', 'held'])).toThrow('which commit?');
    expect(() => readGuardOptions(['main', 'HEAD'])).toThrow('not also HEAD');
  });

  it('have all rounds of one number', () => {
    expect(readGuardOptions(['main'])).toMatchObject({
      revision: 'main',
      tolerance: 0.05,
      only: [],
      json: undefined,
      load: { rounds: 9, memoryRounds: 9, transportRounds: 9, seconds: 0.7, transportSeconds: 0.7 },
    });
    const words = ['HEAD~1', '--rounds', '7', '--seconds', '0.3', '--tolerance', '2.5'];
    expect(readGuardOptions(words)).toMatchObject({
      revision: 'HEAD~1',
      tolerance: 0.025,
      load: { rounds: 7, memoryRounds: 7, seconds: 0.3 },
    });
  });

  it.each([
    [['--rounds', '5'], '--rounds must be at least 6'],
    [['--rounds', 'many'], '--rounds'],
    [['--seconds', '0'], '--seconds'],
    [['--tolerance', '-1'], '--tolerance'],
    [['--tolerance', ''], '--tolerance'],
    [['--only', 'nothing'], 'no row nothing'],
    [['--json', '/nowhere/at/all.json'], 'no folder /nowhere/at'],
    [['--clean'], 'without a commit'],
    [['--fast'], '--fast'],
  ])('refuse %j', (words, reason) => {
    expect(() => readGuardOptions(['HEAD', ...words])).toThrow(reason);
  });

  it('tell about themselves without a commit', () => {
    expect(readGuardOptions(['--help'])).toBe('help');
    expect(readGuardOptions(['--clean'])).toBe('clean');
    for (const name of WATCHED) expect(HELP).toContain(name);
  });
});

describe('what the guard watches', () => {
  it.each(WATCHED)('%s has figures that can have a ratio', (name) => {
    const row = ROWS.find((known) => known.name === name);
    expect(row).toBeDefined();
    const keys = row === undefined ? [] : watchedMetrics(row).map(({ key }) => key);
    expect(keys.length).toBeGreaterThan(0);
    expect(keys).not.toContain('lossPercent');
  });

  it('takes the main figure and CPU, of datagrams CPU alone, of memory what is private', () => {
    const keys = Object.fromEntries(
      ROWS.map((row) => [row.name, watchedMetrics(row).map(({ key }) => key)]),
    );
    expect(keys).toMatchObject({
      'bulk-up-1': ['gbit', 'cpu'],
      'visitors-32': ['per_second', 'cpu'],
      'udp-512-50k': ['cpu'],
      idle: ['privateDirty'],
      held: [expect.stringMatching(/^private\d/)],
    });
  });

  it('pairs samples of the same round, and leaves out those that are alone', () => {
    const now = [sample(1, 10), sample(3, 30), sample(4, undefined), sample(5, 50)];
    const before = [sample(1, 11), sample(2, 21), sample(4, 41), sample(5, 51)];
    expect(pairUp(now, before, 'gbit')).toEqual([
      { now: 10, before: 11 },
      { now: 50, before: 51 },
    ]);
  });
});

describe('the commit of a guard', () => {
  const git = (...args: readonly string[]): string => {
    const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
    const { status, stdout, stderr } = spawnSync('git', [...who, ...args], {
      cwd: directory,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  };

  it('is what git says, and the working tree is dirty with a file of its own', () => {
    git('init', '--quiet');
    git('commit', '--quiet', '--allow-empty', '--message', 'first');
    git('tag', 'one');
    git('commit', '--quiet', '--allow-empty', '--message', 'second');
    expect(findCommit('one', directory)).toMatchObject({ subject: 'first' });
    const head = git('rev-parse', 'HEAD');
    expect(workingTree(directory)).toMatchObject({ sha: head, subject: 'second', dirty: false });
    writeFileSync(join(directory, 'new'), '');
    expect(workingTree(directory).dirty).toBe(true);
    for (const unknown of ['two', '--all', 'HEAD~7', 'one two']) {
      expect(() => findCommit(unknown, directory)).toThrow(`no commit ${unknown}`);
    }
  });
});

describe('a step of making a copy', () => {
  const log = join(directory, 'log');
  const place = { cwd: directory, env: process.env, log };

  it('tells the last lines of what failed', async () => {
    const script = 'seq 100; echo no such thing >&2; exit 3';
    const step = { title: 'trial', command: ['sh', '-c', script] as const };
    const failure = runStep({ ...step, command: ['sh', '-c', script] }, place);
    await expect(failure).rejects.toThrow(
      /trial: .* ended with 3;[\s\S]*\n {2}100[\s\S]*no such thing/,
    );
    await expect(failure).rejects.not.toThrow(/\n {2}50\n/);
    expect(readFileSync(log, 'utf8')).toContain('\n50\n');
  });

  it('names a program that is not there', async () => {
    const step = { title: 'trial', command: ['warren-no-such-program'] as [string] };
    await expect(runStep(step, place)).rejects.toThrow('warren-no-such-program');
  });
});

describe('the lock of a copy that is being made', () => {
  const file = join(directory, 'lock');

  it('is refused while its holder runs, and taken over from one that is gone', () => {
    const unlock = takeLock(file);
    expect(() => takeLock(file)).toThrow(`process ${process.pid}`);
    unlock();
    expect(existsSync(file)).toBe(false);
    const { pid } = spawnSync('true');
    writeFileSync(file, `${pid}\n`);
    takeLock(file)();
    expect(existsSync(file)).toBe(false);
  });
});
