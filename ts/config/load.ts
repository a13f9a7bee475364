/**
 * Loads a configuration file: read, parse, check, all problems at once. The entry for the commands.
 */
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { Config, Role } from './config.ts';
import { ConfigError, type Diagnostic, wholeFile } from './diagnostics.ts';
import { interpret } from './interpret.ts';
import { decodeText, errorCode, type FileSources, readWholeFile } from './sources.ts';
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
  /**
   * The section that is to run, where the file has both: the certificates and keys of the other one
   * need not be there and are not read. Default: all are.
   */
  readonly role?: Role | undefined;
}

export interface ParseOptions extends LoadOptions {
  /** The name that messages print and that other files are relative to. */
  readonly file: string;
}

/**
 * Loads a configuration file.
 *
 * @throws WARREN_E_CONFIG with every problem, also when the file cannot be read.
 */
export function loadConfig(path: string, options: LoadOptions = {}): LoadedConfig {
  const { readFile = readWholeFile } = options;
  let bytes: Uint8Array | undefined;
  let text: string;
  try {
    bytes = readFile(path);
    text = decodeText(bytes);
  } catch (error) {
    const diagnostic = wholeFile(
      path,
      `the configuration file cannot be read: ${errorCode(error)}`,
      'give the path of a readable regular file of at most 1 MiB',
    );
    const file = resolve(path);
    throw new ConfigError([diagnostic], {
      files: [file],
      hash: hashContents([[file, bytes]]),
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
  const { file, env = process.env, readFile = readWholeFile, role } = options;
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
  const result = interpret(parsed.raw, files, { ...files, env }, role);
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
