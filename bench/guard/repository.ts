// What git knows: the commit that is meant, and how the working tree stands.

import { spawnSync } from 'node:child_process';
import { ROOT } from '../load/generator.ts';

export interface Commit {
  readonly sha: string;
  readonly short: string;
  readonly subject: string;
}

export interface WorkingTree extends Commit {
  /** It has what no commit has. */
  readonly dirty: boolean;
}

/**
 * The commit that a revision stands for.
 *
 * @throws Error for one that git does not know.
 */
export function findCommit(revision: string, root: string = ROOT): Commit {
  // What begins with a dash is no option here.
  const named = ['--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const sha = git(root, 'rev-parse', ...named)?.trim();
  if (sha === undefined) {
    throw new Error(`git knows no commit ${revision} in ${root}; git log --oneline names some`);
  }
  const [short, subject] = (git(root, 'log', '-1', '--format=%h%n%s', sha) ?? '').split('\n');
  return { sha, short: short || sha.slice(0, 7), subject: subject ?? '' };
}

export function workingTree(root: string = ROOT): WorkingTree {
  return { ...findCommit('HEAD', root), dirty: git(root, 'status', '--porcelain') !== '' };
}

/** `undefined` where git says no. */
function git(root: string, ...args: readonly string[]): string | undefined {
  const { error, status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (error !== undefined) throw new Error(`git cannot be run: ${error.message}`);
  return status === 0 ? stdout : undefined;
}
