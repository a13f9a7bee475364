/**
 * Tells that something about a few files may have changed. It watches directories, not files: an
 * editor replaces a file by rename, and a watch on the file would stay with the old one. What
 * changed, if anything, is for `watch.ts` to find out.
 */
import { watch } from 'node:fs';
import { basename } from 'node:path';
import { directoriesOf, directoryIdentity, MISSING, statText } from './watch-links.ts';

/** A watch that can be closed. */
export interface DirectoryWatch {
  close(): void;
}

/** Starts to watch one directory; throws where the system cannot. Null: the system gave no name. */
export type WatchDirectory = (
  directory: string,
  onEvent: (name: string | null) => void,
  onError: () => void,
) => DirectoryWatch;

export interface FileWatchOptions {
  readonly files: readonly string[];
  readonly onEvent: () => void;
  /** How often to look where no watch can be had. */
  readonly pollMs: number;
  readonly watchDirectory?: WatchDirectory | undefined;
}

/** A watch over files. */
export interface FileWatch {
  /** Follows links again: to be called after every event, and whenever the files change. */
  refresh(files?: readonly string[]): void;
  close(): void;
}

/** Node's watch. A watch that fails later (its limit was lowered, say) says so once. */
const watchWithNode: WatchDirectory = (directory, onEvent, onError) => {
  const watcher = watch(directory, (_, name) => onEvent(name));
  watcher.on('error', onError);
  return watcher;
};

/** Watches the directories of all files and of the links on their way. */
export function watchFiles(options: FileWatchOptions): FileWatch {
  return new DirectoriesWatch(options);
}

class DirectoriesWatch implements FileWatch {
  readonly #options: FileWatchOptions;
  readonly #watchDirectory: WatchDirectory;
  /** By the directory's identity: another one under the same name is another watch. */
  readonly #watches = new Map<string, DirectoryWatch>();
  #files: readonly string[];
  /** A log written into the same directory must not wake anybody. */
  #names: ReadonlySet<string> = new Set();
  #poll: NodeJS.Timeout | undefined;
  #polled = '';
  #isClosed = false;

  constructor(options: FileWatchOptions) {
    this.#options = options;
    this.#watchDirectory = options.watchDirectory ?? watchWithNode;
    this.#files = options.files;
    this.refresh();
  }

  refresh(files: readonly string[] = this.#files): void {
    if (this.#isClosed) return;
    this.#files = files;
    const entries = files.flatMap((file) => [...directoriesOf(file)]);
    // A directory that is itself moved or deleted gives its own name.
    this.#names = new Set(entries.flatMap(([directory, inner]) => [basename(directory), ...inner]));
    const wanted = new Map(entries.map(([path]) => [directoryIdentity(path), path]));
    for (const identity of this.#watches.keys()) {
      if (!wanted.has(identity)) this.#dropWatch(identity);
    }
    const before = this.#watches.size;
    for (const [identity, directory] of wanted) {
      if (identity !== MISSING && !this.#watches.has(identity)) this.#addWatch(directory, identity);
    }
    // Between the change and the new watch something may have happened that no watch saw.
    if (this.#watches.size > before) this.#options.onEvent();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    for (const identity of this.#watches.keys()) this.#dropWatch(identity);
  }

  #addWatch(directory: string, identity: string): void {
    const onName = (name: string | null): void => {
      if (name === null || this.#names.has(name)) this.#options.onEvent();
    };
    const onError = (): void => {
      this.#dropWatch(identity);
      this.#startPolling();
    };
    try {
      this.#watches.set(identity, this.#watchDirectory(directory, onName, onError));
    } catch {
      this.#startPolling();
    }
  }

  #dropWatch(identity: string): void {
    this.#watches.get(identity)?.close();
    this.#watches.delete(identity);
  }

  /** EMFILE, ENOSPC (the inotify limit), or a file system without events: look now and then. */
  #startPolling(): void {
    if (this.#isClosed || this.#poll !== undefined) return;
    this.#polled = this.#stats();
    this.#poll = setInterval(() => {
      const now = this.#stats();
      if (now === this.#polled) return;
      this.#polled = now;
      this.#options.onEvent();
    }, this.#options.pollMs);
  }

  #stats(): string {
    return this.#files.map(statText).join('\n');
  }
}
