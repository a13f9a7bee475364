/** How an error that ends a command is told on standard error. */

import { bindHint } from '../control/log-events.ts';
import { errorText, WarrenError } from '../errors.ts';

/** What standard error says about an error that ended a command. */
export function failureText(error: unknown): string {
  if (!(error instanceof WarrenError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `warren: internal fault, please report it: ${text}\n`;
  }
  if (error.code === 'WARREN_E_USAGE') {
    return `warren: ${error.message}\nRun 'warren --help' for what there is.\n`;
  }
  // A configuration's problems are blocks of their own, each with its place.
  if (error.code === 'WARREN_E_CONFIG') return `${error.message}\n`;
  const hint = startHint(error);
  return `warren: ${error.message}\n${hint === undefined ? '' : `  remedy: ${hint}\n`}`;
}

/** A remedy for an error at start, where one is known. */
export function startHint(error: WarrenError): string | undefined {
  if (error.code !== 'WARREN_E_BIND') return undefined;
  return bindHint(`${error.message} ${error.cause === undefined ? '' : errorText(error.cause)}`);
}
