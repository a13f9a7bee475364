/** `warren check CONFIG`: warnings to standard error, what the file means to standard output. */
import { renderDiagnostics } from '../config/diagnostics.ts';
import { renderEffective } from '../config/effective.ts';
import { loadConfig } from '../config/load.ts';
import { EXIT_OK } from './exit-codes.ts';

/** @throws WARREN_E_CONFIG with every problem of the file. */
export function check(file: string): number {
  const { config, warnings } = loadConfig(file);
  if (warnings.length > 0) process.stderr.write(`${renderDiagnostics(warnings)}\n\n`);
  process.stdout.write(renderEffective(config));
  process.stderr.write(`${file}: ok${warningCount(warnings.length)}\n`);
  return EXIT_OK;
}

function warningCount(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ', 1 warning' : `, ${count} warnings`;
}
