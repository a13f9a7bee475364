/**
 * The one way from raw tables to a checked configuration, for files and for callers' options alike.
 */
import { buildConfig } from './build.ts';
import { checkMeaning } from './checks.ts';
import type { Config, Role } from './config.ts';
import type { Problem } from './diagnostics.ts';
import { newReport, type RawTable } from './report.ts';
import { checkShape } from './shape.ts';
import type { FileSources } from './sources.ts';
import { resolveTlsTables } from './tls-tables.ts';
import { resolveTokens, type TokenSources } from './tokens.ts';

/** What came of it: a configuration unless a problem is an error. */
interface Interpretation {
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Checks everything, so that every problem is told at once, and builds if nothing is wrong. `only`:
 * the section whose certificates are read, where not both.
 */
export function interpret(
  raw: RawTable,
  files: FileSources,
  tokenSources: TokenSources | undefined,
  only?: Role,
): Interpretation {
  const report = newReport();
  const file = checkShape(raw, report);
  checkMeaning(raw, report);
  const tokens = resolveTokens(raw, tokenSources, report);
  const tls = resolveTlsTables(raw, files, report, only);
  const isUsable = report.problems.every(({ severity }) => severity === 'warning');
  const config = file !== undefined && isUsable ? buildConfig(file, tokens, tls) : undefined;
  return { config, problems: report.problems };
}
