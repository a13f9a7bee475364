/**
 * Follows a configuration file and the files that it names (tokens, certificates, keys), and tells
 * when their content has become another.
 *
 * The content's hash decides, so a save that changes nothing calls nothing. A file is believed when
 * two reads one debounce apart agree; one that then does not parse is given another wait, because a
 * program that writes slowly looks just like that. A read that fails for a reason that passes says
 * nothing of the content: it is repeated until it says something.
 */
import { resolve } from 'node:path';
import type { Role } from './config.ts';
import { ConfigError, wholeFile } from './diagnostics.ts';
import { type Env, hashContents, type LoadedConfig, loadConfig } from './load.ts';
import { readWholeFile } from './sources.ts';
import { type FileWatch, type WatchDirectory, watchFiles } from './watch-files.ts';

export interface WatchOptions {
  /** `LoadedConfig.files` of the configuration in use. */
  readonly files: readonly string[];
  /** `LoadedConfig.hash` of the configuration in use; default: what the files hold now. */
  readonly hash?: string;
  /** How long the content must stay the same. Default 200. */
  readonly debounceMs?: number;
  readonly env?: Env;
  /** As `LoadOptions.role` when the configuration in use was loaded. */
  readonly role?: Role | undefined;
  readonly onChange: (loaded: LoadedConfig) => void;
  /** The content changed into something that cannot be used. */
  readonly onError?: (error: ConfigError) => void;
  /** How to watch a directory; for tests. */
  readonly watchDirectory?: WatchDirectory;
  /** How to read a file; for tests. */
  readonly readFile?: ReadFile;
}

type ReadFile = (path: string) => Uint8Array;

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
/** How long to wait after a read that failed for a reason that passes. */
const RETRY_MS = 1000;
/** Of the process or the machine, not of the file: out of descriptors, a disk's fault, a lease. */
const PASSING_ERRORS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EIO', 'EAGAIN']);

/** Watches a configuration file. Never throws: what cannot be read is told as a `ConfigError`. */
export function watchConfig(path: string, options: WatchOptions): ConfigWatch {
  return new SettlingWatch(path, options);
}

class SettlingWatch implements ConfigWatch {
  readonly #path: string;
  readonly #options: WatchOptions;
  readonly #debounceMs: number;
  readonly #readFile: ReadFile;
  readonly #watcher: FileWatch;
  #files: readonly string[];
  /** Hash of what was told last, or is in use. */
  #known: string;
  /** Hash of what the last look saw, and in how many looks it was the same. */
  #seen: string;
  #sightings = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(path: string, options: WatchOptions) {
    this.#path = path;
    this.#options = options;
    this.#debounceMs = options.debounceMs ?? DEFAULT_DEBOUNCE_MS;
    this.#files = [...new Set([resolve(path), ...options.files])];
    this.#readFile = options.readFile ?? readWholeFile;
    this.#known = options.hash ?? this.#currentHash() ?? '';
    this.#seen = this.#known;
    this.#watcher = watchFiles({
      files: this.#files,
      onEvent: () => this.#settle(),
      pollMs: Math.max(this.#debounceMs, Math.min(POLL_MS, this.#debounceMs * 5)),
      watchDirectory: options.watchDirectory,
    });
    // Something may have changed between loading and now.
    this.#settle();
  }

  poke(): void {
    if (this.#isClosed) return;
    this.#watcher.refresh();
    const now = this.#currentHash();
    if (now === undefined) {
      this.#lookLater();
      return;
    }
    this.#seen = now;
    if (now !== this.#known) this.#report(false);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watcher.close();
  }

  /** Looks when the content had time to stay the same. */
  #settle(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => this.#look(), this.#debounceMs);
  }

  /** Nothing is known of the content now; what was seen before has to be seen twice again. */
  #lookLater(): void {
    this.#sightings = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), RETRY_MS);
  }

  #look(): void {
    this.#timer = undefined;
    this.#watcher.refresh();
    const now = this.#currentHash();
    if (now === undefined) {
      this.#lookLater();
      return;
    }
    this.#sightings = now === this.#seen ? this.#sightings + 1 : 1;
    this.#seen = now;
    if (now === this.#known) return;
    if (this.#sightings < 2) this.#settle();
    else this.#report(this.#sightings < 3);
  }

  /**
   * Tells of the content; an unusable one may be half written, so a patient call waits once more.
   */
  #report(isPatient: boolean): void {
    const { onChange, onError } = this.#options;
    const result = this.#load();
    if (result === undefined) {
      this.#lookLater();
      return;
    }
    const isUnsure = result.hash !== this.#seen || result instanceof ConfigError;
    if (isPatient && isUnsure) {
      this.#settle();
      return;
    }
    this.#follow(result);
    if (result instanceof ConfigError) onError?.(result);
    else onChange(result);
  }

  #follow({ files, hash }: LoadedConfig | ConfigError): void {
    this.#files = [...files];
    this.#known = hash;
    this.#seen = hash;
    this.#sightings = 0;
    this.#watcher.refresh(this.#files);
  }

  /** Undefined: a file could not be read for a reason that passes. */
  #load(): LoadedConfig | ConfigError | undefined {
    const { env = process.env, role } = this.#options;
    let isPassing = false;
    const readFile = (file: string): Uint8Array => {
      try {
        return this.#readFile(file);
      } catch (error) {
        isPassing ||= isPassingError(error);
        throw error;
      }
    };
    try {
      const loaded = loadConfig(this.#path, { env, readFile, role });
      return isPassing ? undefined : loaded;
    } catch (error) {
      if (isPassing) return undefined;
      return error instanceof ConfigError ? error : this.#fault(error);
    }
  }

  /** A fault of ours must not take down a daemon that runs well with what it has. */
  #fault(error: unknown): ConfigError {
    // Only the kind of the error is shown: its text may quote the file.
    const kind = error instanceof Error ? error.name : typeof error;
    const message = `the file could not be checked: ${kind}`;
    const hash = this.#currentHash() ?? this.#seen;
    return new ConfigError([wholeFile(this.#path, message, 'report a bug')], {
      files: this.#files,
      hash,
      cause: error,
    });
  }

  /** Undefined: a file could not be read for a reason that passes. */
  #currentHash(): string | undefined {
    const contents: [file: string, content: Uint8Array | undefined][] = [];
    for (const file of this.#files) {
      try {
        contents.push([file, this.#readFile(file)]);
      } catch (error) {
        if (isPassingError(error)) return undefined;
        contents.push([file, undefined]);
      }
    }
    return hashContents(contents);
  }
}

function isPassingError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && PASSING_ERRORS.has(error.code);
}
