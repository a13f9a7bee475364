/**
 * Loads a configuration file: read, parse, check, all problems at once. The entry for the commands.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from './config.ts';
import { ConfigError, type Diagnostic, sortDiagnostics, wholeFile } from './diagnostics.ts';
import { interpret } from './interpret.ts';
import { errorCode } from './tokens.ts';
import { parseToml, placeProblems } from './toml-text.ts';

/** A configuration that can be used. */
export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly Diagnostic[];
  /** Over the content of `files`. */
  readonly hash: string;
  /** The configuration file and every token file, absolute. */
  readonly files: readonly string[];
}

export type Env = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** Variables for `token = "${NAME}"`. Default: the process's. */
  readonly env?: Env;
}

export interface ParseOptions extends LoadOptions {
  /** The name that messages print and that token files are relative to. */
  readonly file: string;
  /** Reads a token file. Default: the file system. */
  readonly readFile?: (path: string) => string;
}

/** No configuration and no token is this long; a mistaken path (a disk image, say) may be. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Loads a configuration file.
 *
 * @throws WARREN_E_CONFIG with every problem, also when the file cannot be read.
 */
export function loadConfig(path: string, options: LoadOptions = {}): LoadedConfig {
  let text: string;
  try {
    text = readTextFile(path);
  } catch (error) {
    const diagnostic = wholeFile(
      path,
      `the configuration file cannot be read: ${errorCode(error)}`,
      'mend the path or the permissions',
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
  const { file, env = process.env, readFile = readTextFile } = options;
  const main = resolve(file);
  const contents = new Map<string, string | undefined>([[main, text]]);
  const rememberingRead = (path: string) => {
    contents.set(path, undefined);
    const content = readFile(path);
    contents.set(path, content);
    return content;
  };
  const parsed = parseToml(text, file);
  if (!parsed.ok) throw failure([parsed.diagnostic], contents);
  const result = interpret(parsed.raw, { env, file: main, readFile: rememberingRead });
  const diagnostics = sortDiagnostics(placeProblems(result.problems, text, file));
  if (result.config === undefined) throw failure(diagnostics, contents);
  const files = [...contents.keys()];
  return { config: result.config, warnings: diagnostics, hash: hashContents(contents), files };
}

function failure(
  diagnostics: readonly Diagnostic[],
  contents: ReadonlyMap<string, string | undefined>,
): ConfigError {
  return new ConfigError(diagnostics, {
    files: [...contents.keys()],
    hash: hashContents(contents),
  });
}

/**
 * Reads a whole text file.
 *
 * @throws Node's error, or a TypeError if it is not UTF-8 or too long.
 */
export function readTextFile(path: string): string {
  if (statSync(path).size > MAX_FILE_BYTES) throw new TypeError('it is longer than 16 MiB');
  // The byte order mark is kept: the hash is over what the file holds, and the parser skips it.
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
}

/** One hash over files and their contents; undefined is a file that cannot be read. */
export function hashContents(contents: Iterable<readonly [string, string | undefined]>): string {
  const hash = createHash('sha256');
  for (const [path, content] of contents) {
    const state = content === undefined ? 'missing' : `present ${Buffer.byteLength(content)}`;
    hash.update(`${Buffer.byteLength(path)} ${path} ${state}\n`);
    hash.update(content ?? '');
  }
  return hash.digest('hex');
}
