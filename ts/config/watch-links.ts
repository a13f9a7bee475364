/** Which directories to watch so that no way of replacing a file goes unnoticed. */
import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';

/** Links followed before the chain is taken for a circle; Linux gives up at 40. */
const MAX_LINKS = 40;

/** What stands for a file or directory that is not there. */
export const MISSING = 'missing';

/**
 * The directories whose entries decide what a path leads to, each with the names that matter in it:
 * the file's own, and that of every symbolic link on the way. Kubernetes swaps `..data` in the
 * middle of `config.toml -> ..data/config.toml`. Where the way ends early, the last directory that
 * exists is the one to watch.
 */
export function directoriesOf(path: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  const add = (directory: string, name: string) => {
    const names = found.get(directory) ?? new Set();
    found.set(directory, names.add(name));
  };
  let rest = split(resolve(path));
  let at = parse(resolve(path)).root;
  let links = 0;
  while (rest.length > 0) {
    const [name = '', ...after] = rest;
    const here = join(at, name);
    const target = linkTarget(here);
    if (target === undefined) {
      if (after.length === 0 || !isDirectory(here)) {
        add(at, name);
        break;
      }
      at = here;
      rest = after;
      continue;
    }
    add(at, name);
    links += 1;
    if (links > MAX_LINKS) break;
    // The target may itself go through links, so it is walked from its root again.
    const full = resolve(at, target);
    at = parse(full).root;
    rest = [...split(full), ...after];
  }
  return found;
}

function split(path: string): string[] {
  return path.slice(parse(path).root.length).split(sep).filter(Boolean);
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    // Gone or forbidden: the way ends here, which the caller sees by the next stat.
    return undefined;
  }
}

function isDirectory(path: string): boolean {
  return statText(path).startsWith('d');
}

/** What a stat says, as a text to compare: another file under the same name gives another text. */
export function statText(path: string): string {
  try {
    const stat = statSync(path, { bigint: true });
    const kind = stat.isDirectory() ? 'd' : 'f';
    return `${kind} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  } catch {
    return MISSING;
  }
}

/** Which directory this name means now. */
export function directoryIdentity(path: string): string {
  try {
    const stat = statSync(path, { bigint: true });
    return `${dirname(path)} ${path} ${stat.dev} ${stat.ino}`;
  } catch {
    return MISSING;
  }
}
