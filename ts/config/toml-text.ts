/** Parses a configuration's TOML text, and places what is wrong with it. */
import { parse, TomlError } from 'smol-toml';
import {
  type Diagnostic,
  MAX_DIAGNOSTICS_SHOWN,
  type Problem,
  sortDiagnostics,
  unplaced,
} from './diagnostics.ts';
import { brokenExcerptOf, excerptsOf } from './excerpt.ts';
import { formatPath } from './key-path.ts';
import { type Locations, locate } from './locate.ts';
import type { RawTable } from './report.ts';

/** The tables, or the one syntax error. */
export type TomlResult =
  | { readonly ok: true; readonly raw: RawTable }
  | { readonly ok: false; readonly diagnostic: Diagnostic };

/** Parses a text. Integers become bigints so that `30.0` is told apart from `30`. */
export function parseToml(text: string, file: string): TomlResult {
  try {
    return { ok: true, raw: parse(text, { integersAsBigInt: true }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { ok: false, diagnostic: syntaxError(text, file, error) };
  }
}

function syntaxError(text: string, file: string, error: TomlError): Diagnostic {
  // smol-toml's message ends with a code block, which may show a token: only its first line is
  // kept.
  const reason = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
  return {
    severity: 'error',
    file,
    line: error.line,
    column: error.column,
    key: '',
    message: `not valid TOML: ${reason}`,
    found: '',
    allowed: '',
    remedy: 'mend the syntax at the caret; nothing else of the file was checked',
    excerpt: brokenExcerptOf(text, offsetOf(text, error)),
  };
}

function offsetOf(text: string, error: TomlError): number {
  let start = 0;
  for (let line = 1; line < error.line; line += 1) start = text.indexOf('\n', start) + 1;
  return Math.min(text.length, start + error.column - 1);
}

/** Gives problems their places in a valid text and sorts them; those to be shown get excerpts. */
export function placeProblems(
  problems: readonly Problem[],
  text: string,
  file: string,
): Diagnostic[] {
  if (problems.length === 0) return [];
  const locations = locate(text);
  const placed = problems.map((problem) => placeProblem(problem, file, locations));
  const excerptAt = excerptsOf(text, locations);
  return sortDiagnostics(placed).map(({ offset, ...diagnostic }, index) => {
    if (offset === undefined || index >= MAX_DIAGNOSTICS_SHOWN) return diagnostic;
    return { ...diagnostic, excerpt: excerptAt(offset) };
  });
}

interface Placed extends Diagnostic {
  readonly offset?: number;
}

function placeProblem(problem: Problem, file: string, locations: Locations): Placed {
  const diagnostic = unplaced(problem, file, formatPath(problem.path));
  const own = locations.find(problem.path);
  // A missing key is shown at the table that lacks it.
  const place = own ?? locations.nearest(problem.path);
  if (place === undefined) return diagnostic;
  const isKey = problem.at === 'key' || own === undefined;
  const offset = isKey ? place.key.start : place.value.start;
  return { ...diagnostic, ...locations.position(offset), offset };
}
