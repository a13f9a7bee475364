/**
 * Follows a configuration file and its token files, and tells when their content has become
 * another.
 *
 * The content's hash decides, so a save that changes nothing calls nothing. A file is believed when
 * two reads one debounce apart agree; one that then does not parse is given another wait, because a
 * program that writes slowly looks just like that.
 */
import { resolve } from 'node:path';
import { ConfigError, wholeFile } from './diagnostics.ts';
import { type Env, hashContents, type LoadedConfig, loadConfig, readTextFile } from './load.ts';
import { type WatchDirectory, watchFiles } from './watch-files.ts';

export interface WatchOptions {
  /** `LoadedConfig.files` of the configuration in use. */
  readonly files: readonly string[];
  /** `LoadedConfig.hash` of the configuration in use; default: what the files hold now. */
  readonly hash?: string;
  /** How long the content must stay the same. Default 200. */
  readonly debounceMs?: number;
  readonly env?: Env;
  readonly onChange: (loaded: LoadedConfig) => void;
  /** The content changed into something that cannot be used. */
  readonly onError?: (error: ConfigError) => void;
  /** How to watch a directory; for tests. */
  readonly watchDirectory?: WatchDirectory;
}

/** A watch on a configuration. While it is open it keeps the process alive. */
export interface ConfigWatch {
  /** Looks now, without waiting for the content to settle (SIGHUP). */
  poke(): void;
  /** Ends the watch; no callback is called after it. Idempotent. */
  close(): void;
}

/** How often to look where the system cannot tell of changes. */
const POLL_MS = 1000;
const DEFAULT_DEBOUNCE_MS = 200;

/** Watches a configuration file. Never throws: what cannot be read is told as a `ConfigError`. */
export function watchConfig(path: string, options: WatchOptions): ConfigWatch {
  const { debounceMs = DEFAULT_DEBOUNCE_MS, env = process.env, onChange, onError } = options;
  let files = [...new Set([resolve(path), ...options.files])];
  // What was told last, or is in use.
  let known = options.hash ?? currentHash(files);
  // What the last look saw, and in how many looks it was the same.
  let seen = known;
  let sightings = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const settle = () => {
    timer ??= isClosed ? undefined : setTimeout(look, debounceMs);
  };

  const look = () => {
    timer = undefined;
    watcher.refresh();
    const now = currentHash(files);
    sightings = now === seen ? sightings + 1 : 1;
    seen = now;
    if (now === known) return;
    if (sightings < 2) settle();
    else report(sightings < 3);
  };

  /**
   * Tells of the content; an unusable one may be half written, so a patient call waits once more.
   */
  const report = (isPatient: boolean) => {
    const result = tryLoad(path, env, files);
    if (result.hash !== seen && isPatient) return settle();
    if (result instanceof ConfigError && isPatient) return settle();
    follow(result);
    if (result instanceof ConfigError) onError?.(result);
    else onChange(result);
  };

  const follow = (result: LoadedConfig | ConfigError) => {
    files = [...result.files];
    known = result.hash;
    seen = known;
    sightings = 0;
    watcher.refresh(files);
  };

  const watcher = watchFiles({
    files,
    onEvent: settle,
    pollMs: Math.max(debounceMs, Math.min(POLL_MS, debounceMs * 5)),
    watchDirectory: options.watchDirectory,
  });

  // Something may have changed between loading and now.
  settle();

  return {
    poke() {
      if (isClosed) return;
      watcher.refresh();
      seen = currentHash(files);
      if (seen !== known) report(false);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      timer = undefined;
      watcher.close();
    },
  };
}

function tryLoad(path: string, env: Env, files: readonly string[]): LoadedConfig | ConfigError {
  try {
    return loadConfig(path, { env });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    // A fault of ours must not take down a daemon that runs well with what it has. Only the kind of
    // the error is shown: its text may quote the file.
    const kind = error instanceof Error ? error.name : typeof error;
    const diagnostic = wholeFile(path, `the file could not be checked: ${kind}`, 'report a bug');
    return new ConfigError([diagnostic], { files, hash: currentHash(files), cause: error });
  }
}

function currentHash(files: readonly string[]): string {
  return hashContents(files.map((file) => [file, contentOf(file)] as const));
}

function contentOf(file: string): string | undefined {
  try {
    return readTextFile(file);
  } catch {
    return undefined;
  }
}
