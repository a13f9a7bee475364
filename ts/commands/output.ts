/** What happens when standard output or standard error cannot be written. */
import { writeSync } from 'node:fs';
import { errorText } from '../errors.ts';
import { EXIT_OUTPUT } from './exit-codes.ts';

const STDERR = 2;

/**
 * Installs the handlers for the rest of the process's life. A reader that has enough (`warren check
 * FILE | head`) is no failure; a full disk ends the process, because who reads the output later
 * would take half of it for all. The log has its own destination and its own rule.
 */
export function handleOutputErrors(): void {
  process.stdout.on('error', endUnlessClosed);
  // What could not be said there can be said nowhere; the exit code says the same.
  process.stderr.on('error', () => undefined);
}

/** Writes to standard output; false when it could not be written. */
export function print(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => resolve(!(error instanceof Error) || isClosed(error)));
  });
}

function endUnlessClosed(error: Error): void {
  if (isClosed(error)) return;
  try {
    writeSync(STDERR, `warren: standard output cannot be written: ${errorText(error)}\n`);
  } catch {
    // There is nowhere left to say it; the exit code still does.
  }
  process.exit(EXIT_OUTPUT);
}

function isClosed(error: Error): boolean {
  return 'code' in error && error.code === 'EPIPE';
}
