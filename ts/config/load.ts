/**
 * Loads a configuration file: read, parse, check, all problems at once. The entry for the commands.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from './config.ts';
import { ConfigError, type Diagnostic, wholeFile } from './diagnostics.ts';
import { interpret } from './interpret.ts';
import { decodeText, errorCode, type FileSources } from './sources.ts';
import { parseToml, placeProblems } from './toml-text.ts';

/** A configuration that can be used. */
export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly Diagnostic[];
  /** Over the content of `files`. */
  readonly hash: string;
  /** The configuration file and every file that it names, absolute. */
  readonly files: readonly string[];
}

export type Env = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** Variables for `token = "${NAME}"`. Default: the process's. */
  readonly env?: Env;
  /** Reads the configuration file or one that it names. Default: the file system. */
  readonly readFile?: (path: string) => Uint8Array;
}

export interface ParseOptions extends LoadOptions {
  /** The name that messages print and that other files are relative to. */
  readonly file: string;
}

/** No configuration, token or certificate bundle is this long; a mistaken path (a disk image, say) may be. */
const MAX_FILE_BYTES = 1024 * 1024;
const READ_BYTES = 64 * 1024;

/**
 * Loads a configuration file.
 *
 * @throws WARREN_E_CONFIG with every problem, also when the file cannot be read.
 */
export function loadConfig(path: string, options: LoadOptions = {}): LoadedConfig {
  const { readFile = readWholeFile } = options;
  let text: string;
  try {
    text = decodeText(readFile(path));
  } catch (error) {
    const diagnostic = wholeFile(
      path,
      `the configuration file cannot be read: ${errorCode(error)}`,
      'give the path of a readable regular file of at most 1 MiB',
    );
    const file = resolve(path);
    throw new ConfigError([diagnostic], {
      files: [file],
      hash: hashContents([[file, undefined]]),
      cause: error,
    });
  }
  return parseConfig(text, { ...options, file: path });
}

/**
 * Checks a configuration's text.
 *
 * @throws WARREN_E_CONFIG with every problem.
 */
export function parseConfig(text: string, options: ParseOptions): LoadedConfig {
  const { file, env = process.env, readFile = readWholeFile } = options;
  const main = resolve(file);
  const contents = new Map<string, Uint8Array | undefined>([[main, Buffer.from(text)]]);
  const rememberingRead = (path: string) => {
    contents.set(path, undefined);
    const content = readFile(path);
    contents.set(path, content);
    return content;
  };
  const parsed = parseToml(text, file);
  if (!parsed.ok) throw failure([parsed.diagnostic], contents);
  const files: FileSources = { base: dirname(main), readFile: rememberingRead };
  const result = interpret(parsed.raw, files, { ...files, env });
  const diagnostics = placeProblems(result.problems, text, file);
  if (result.config === undefined) throw failure(diagnostics, contents);
  const { config } = result;
  const hash = hashContents(contents);
  return { config, warnings: diagnostics, hash, files: [...contents.keys()] };
}

function failure(
  diagnostics: readonly Diagnostic[],
  contents: ReadonlyMap<string, Uint8Array | undefined>,
): ConfigError {
  return new ConfigError(diagnostics, {
    files: [...contents.keys()],
    hash: hashContents(contents),
  });
}

/**
 * Reads a whole file. It never waits: a FIFO, a terminal or a device is refused, because a read of
 * one would stop the whole process for as long as nobody writes.
 *
 * @throws Node's error, or a TypeError if it is no regular file or too long.
 */
export function readWholeFile(path: string): Uint8Array {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new TypeError(`it is ${kindOfFile(stats)}, not a regular file`);
    return readBytes(fd);
  } finally {
    closeSync(fd);
  }
}

/** The file's size is not asked: in /proc it is 0, and it may change under the read. */
function readBytes(fd: number): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length <= MAX_FILE_BYTES) {
    const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, MAX_FILE_BYTES + 1 - length));
    const count = readChunk(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    length += count;
  }
  throw new TypeError('it is longer than 1 MiB');
}

function readChunk(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    // /proc/kmsg calls itself a regular file. From `open` the same code is a lease, which passes.
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
      throw new TypeError('a read of it would wait, as of no regular file', { cause: error });
    }
    throw error;
  }
}

function kindOfFile(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  return 'a device';
}

/** One hash over files and their contents; undefined is a file that cannot be read. */
export function hashContents(
  contents: Iterable<readonly [string, Uint8Array | undefined]>,
): string {
  const hash = createHash('sha256');
  for (const [path, content] of contents) {
    const state = content === undefined ? 'missing' : `present ${content.length}`;
    hash.update(`${Buffer.byteLength(path)} ${path} ${state}\n`);
    if (content !== undefined) hash.update(content);
  }
  return hash.digest('hex');
}
