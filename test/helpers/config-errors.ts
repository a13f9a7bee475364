/** What is wrong with a configuration. */
import { expect } from 'vitest';
import { ConfigError, type Diagnostic } from '../../ts/config/diagnostics.ts';

export function errorsOf(run: () => unknown): readonly Diagnostic[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.diagnostics.filter(({ severity }) => severity === 'error');
  }
  return [];
}

/** The one error: at which key, and what it says. */
export function theError(run: () => unknown): Diagnostic {
  const errors = errorsOf(run);
  expect(errors.map(({ key, message }) => `${key}: ${message}`)).toHaveLength(1);
  const [error] = errors;
  if (error === undefined) throw new Error('no error');
  expect(error.line).toBeGreaterThan(0);
  expect(error.remedy).not.toBe('');
  return error;
}
