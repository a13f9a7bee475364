/**
 * What is wrong with a configuration, and how it is said.
 *
 * A `Problem` is found by a check and knows only a key path; a `Diagnostic` is the same thing
 * placed in a file (or in a caller's options) and ready to print. Neither ever holds a secret's
 * text.
 */
import { WarrenError } from '../errors.ts';
import { formatPath, isSecretPath, type KeyPath, quote } from './key-path.ts';
import { SECRET_MASK } from './secret.ts';

/** A found value is quoted up to here. */
const FOUND_MAX_LETTERS = 80;

/** More of them help nobody: one mistake may be in every service of a large file. */
export const MAX_DIAGNOSTICS_SHOWN = 100;

export type Severity = 'error' | 'warning';

/** One finding of a check. */
export interface Problem {
  readonly severity: Severity;
  readonly path: KeyPath;
  /** What the caret points at. */
  readonly at: 'key' | 'value';
  readonly message: string;
  /** What stands there, masked where it is secret. */
  readonly found: string;
  readonly allowed: string;
  readonly remedy: string;
}

/** A problem with its place. */
export interface Diagnostic {
  readonly severity: Severity;
  /** The file, or the name of the options type. */
  readonly file: string;
  /** From 1; 0 where there is no text to point into. */
  readonly line: number;
  readonly column: number;
  /** Dotted path, quoted where needed; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly found: string;
  readonly allowed: string;
  readonly remedy: string;
  /** The source line and a caret, secrets masked; empty where none is to be shown. */
  readonly excerpt: string;
}

/** What the configuration consists of when it could not be loaded; for the watcher. */
export interface ConfigErrorDetails {
  readonly files?: readonly string[];
  readonly hash?: string;
  readonly cause?: unknown;
}

/** A configuration that cannot be used: every problem of it, not only the first. */
export class ConfigError extends WarrenError {
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that had a say, so that a watcher knows where the mending may happen. */
  readonly files: readonly string[];
  /** Over the content of `files`. */
  readonly hash: string;

  constructor(diagnostics: readonly Diagnostic[], details: ConfigErrorDetails = {}) {
    super('WARREN_E_CONFIG', renderDiagnostics(diagnostics), { cause: details.cause });
    this.diagnostics = diagnostics;
    this.files = details.files ?? [];
    this.hash = details.hash ?? '';
  }
}

/** One block for a person: where and what, the source line, then what was found and what to do. */
function renderDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, severity, key } = diagnostic;
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  const subject = key === '' ? '' : `${key}: `;
  const lines = [`${place}: ${severity}: ${subject}${diagnostic.message}`];
  if (diagnostic.excerpt !== '') lines.push(diagnostic.excerpt);
  if (diagnostic.found !== '') lines.push(`  found:   ${diagnostic.found}`);
  if (diagnostic.allowed !== '') lines.push(`  allowed: ${diagnostic.allowed}`);
  if (diagnostic.remedy !== '') lines.push(`  remedy:  ${diagnostic.remedy}`);
  return lines.join('\n');
}

/** All blocks (at most 100, then how many more), errors first, each kind in the file's order. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[]): string {
  const blocks = sortDiagnostics(diagnostics).slice(0, MAX_DIAGNOSTICS_SHOWN).map(renderDiagnostic);
  const more = diagnostics.length - blocks.length;
  if (more > 0) blocks.push(`and ${more} more`);
  return blocks.join('\n\n');
}

/** Errors before warnings, then by place. */
export function sortDiagnostics<T extends Diagnostic>(diagnostics: readonly T[]): T[] {
  const rank = (diagnostic: Diagnostic) => (diagnostic.severity === 'error' ? 0 : 1);
  return diagnostics.toSorted(
    (a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column,
  );
}

/** Describes a value for `found`: its kind and text, the text masked where the path is secret. */
export function describe(value: unknown, path: KeyPath): string {
  const kind = kindOf(value);
  if (kind === 'nothing' || kind === 'a table' || kind === 'an array') return kind;
  if (isSecretPath(path)) return `${kind}, ${SECRET_MASK}`;
  if (typeof value !== 'string') return `${kind}, ${printed(value)}`;
  return `${kind}, ${quote(clip(value))}`;
}

function printed(value: unknown): string {
  if (value instanceof Date) return String(value.toJSON());
  // Without its point, a float would look like the integer that is asked for.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** The TOML name of a value's type, with its article. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'bigint') return 'an integer';
  if (typeof value === 'number') return 'a float';
  if (typeof value === 'boolean') return 'a boolean';
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a table' : `a ${typeof value}`;
}

function clip(text: string): string {
  return text.length > FOUND_MAX_LETTERS ? `${text.slice(0, FOUND_MAX_LETTERS)}…` : text;
}

/** Places a problem in a text-less source, such as a caller's options. */
export function unplaced(problem: Problem, file: string, key: string): Diagnostic {
  const { severity, message, found, allowed, remedy } = problem;
  return { severity, file, line: 0, column: 0, key, message, found, allowed, remedy, excerpt: '' };
}

/** A problem of the file as a whole: it cannot be read, or has nothing in it. */
export function wholeFile(file: string, message: string, remedy: string): Diagnostic {
  const problem: Problem = {
    severity: 'error',
    path: [],
    at: 'key',
    message,
    found: '',
    allowed: '',
    remedy,
  };
  return unplaced(problem, file, formatPath([]));
}
