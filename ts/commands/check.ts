/** `warren check CONFIG`: warnings to standard error, what the file means to standard output. */
import { renderDiagnostics } from '../config/diagnostics.ts';
import { renderEffective } from '../config/effective.ts';
import { loadConfig } from '../config/load.ts';
import type { CheckArguments } from './arguments.ts';
import { EXIT_OK, EXIT_OUTPUT } from './exit-codes.ts';
import { print } from './output.ts';
import { chooseRole } from './role.ts';

/**
 * 0 only when the file would start: with either role, or with the one that is asked for.
 * @throws WARREN_E_CONFIG with every problem of the file.
 */
export async function check({ file, role }: CheckArguments): Promise<number> {
  const { config, warnings } = loadConfig(file, { role });
  if (role !== undefined) chooseRole(config, role, file);
  if (warnings.length > 0) process.stderr.write(`${renderDiagnostics(warnings)}\n\n`);
  // `ok` under half of an output would be read as the verdict on all of it.
  if (!(await print(renderEffective(config)))) return EXIT_OUTPUT;
  process.stderr.write(`${file}: ok${warningCount(warnings.length)}\n`);
  return EXIT_OK;
}

function warningCount(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ', 1 warning' : `, ${count} warnings`;
}
