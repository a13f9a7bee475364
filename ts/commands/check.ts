/** `warren check CONFIG`: warnings to standard error, what the file means to standard output. */
import type { Config } from '../config/config.ts';
import { renderDiagnostics } from '../config/diagnostics.ts';
import { renderEffective } from '../config/effective.ts';
import { loadConfig } from '../config/load.ts';
import { transportSpec } from '../control/routines.ts';
import { errorText } from '../errors.ts';
import { EXIT_CONFIG, EXIT_OK, EXIT_OUTPUT } from './exit-codes.ts';
import { print } from './output.ts';

/**
 * 0 only when the file would start.
 * @throws WARREN_E_CONFIG with every problem of the file.
 */
export async function check(file: string): Promise<number> {
  const { config, warnings } = loadConfig(file);
  const notBuilt = transportsNotBuilt(config);
  if (warnings.length > 0) process.stderr.write(`${renderDiagnostics(warnings)}\n\n`);
  for (const text of notBuilt) process.stderr.write(`${file}: would not start: ${text}\n`);
  // `ok` under half of an output would be read as the verdict on all of it.
  if (!(await print(renderEffective(config)))) return EXIT_OUTPUT;
  const verdict = notBuilt.length > 0 ? 'valid, but would not start' : 'ok';
  process.stderr.write(`${file}: ${verdict}${warningCount(warnings.length)}\n`);
  return notBuilt.length > 0 ? EXIT_CONFIG : EXIT_OK;
}

/** Valid for rathole and for us, and still refused by this version's start. */
function transportsNotBuilt({ server, client }: Config): string[] {
  const sections = { server, client };
  return (['server', 'client'] as const).flatMap((role) => {
    const section = sections[role];
    if (section === undefined) return [];
    try {
      transportSpec(role, section.transport);
      return [];
    } catch (error) {
      return [errorText(error)];
    }
  });
}

function warningCount(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ', 1 warning' : `, ${count} warnings`;
}
