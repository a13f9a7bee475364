/** Errors of the system, as Node itself would show them. */
import type { BindingSystemError } from './binding.d.ts';

export function systemError({ code, message }: BindingSystemError): Error {
  const error = new Error(message);
  return code === undefined ? error : Object.assign(error, { code });
}
