/**
 * Tells that something about a few files may have changed. It watches directories, not files: an
 * editor replaces a file by rename, and a watch on the file would stay with the old one. What
 * changed, if anything, is for `watch.ts` to find out.
 */
import { watch } from 'node:fs';
import { basename } from 'node:path';
import { directoriesOf, directoryIdentity, statText } from './watch-links.ts';

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
  const { onEvent, pollMs, watchDirectory = watchWithNode } = options;
  let files = options.files;
  let isClosed = false;
  let poll: NodeJS.Timeout | undefined;
  let polled = '';
  const watches = new Map<string, DirectoryWatch>();
  // A log written into the same directory must not wake anybody.
  let names: ReadonlySet<string> = new Set();
  const onName = (name: string | null) => {
    if (name === null || names.has(name)) onEvent();
  };

  const stats = () => files.map(statText).join('\n');

  // EMFILE, ENOSPC (the inotify limit), or a file system without events: look now and then instead.
  const startPolling = () => {
    if (isClosed || poll !== undefined) return;
    polled = stats();
    poll = setInterval(() => {
      const now = stats();
      if (now === polled) return;
      polled = now;
      onEvent();
    }, pollMs);
  };

  const addWatch = (directory: string, identity: string) => {
    try {
      const onError = () => {
        watches.get(identity)?.close();
        watches.delete(identity);
        startPolling();
      };
      watches.set(identity, watchDirectory(directory, onName, onError));
    } catch {
      startPolling();
    }
  };

  const refresh = (newFiles: readonly string[] = files) => {
    if (isClosed) return;
    files = newFiles;
    const entries = files.flatMap((file) => [...directoriesOf(file)]);
    // A directory that is itself moved or deleted gives its own name.
    names = new Set(entries.flatMap(([directory, inner]) => [basename(directory), ...inner]));
    const wanted = new Map(entries.map(([path]) => [directoryIdentity(path), path]));
    for (const [identity, watcher] of watches) {
      if (wanted.has(identity)) continue;
      watcher.close();
      watches.delete(identity);
    }
    let added = false;
    for (const [identity, directory] of wanted) {
      if (identity === 'missing' || watches.has(identity)) continue;
      addWatch(directory, identity);
      added ||= watches.has(identity);
    }
    // Between the change and the new watch something may have happened that no watch saw.
    if (added) onEvent();
  };

  refresh();
  return {
    refresh,
    close() {
      isClosed = true;
      clearInterval(poll);
      for (const watcher of watches.values()) watcher.close();
      watches.clear();
    },
  };
}
