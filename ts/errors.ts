/**
 * The one error class and the one table of its codes. User code matches on `code`, never on text.
 * A test checks that this table and `docs/errors.md` name the same codes.
 */

/** Whose side caused it. */
export type Side = 'visitor' | 'local' | 'peer' | 'operator' | 'internal';

/** Every code, its side, and whether a retry may help. Meanings: docs/errors.md. */
export const ERROR_CODES = {
  WARREN_E_USAGE: { side: 'operator', retry: false },
  WARREN_E_CONFIG: { side: 'operator', retry: false },
  WARREN_E_UNSUPPORTED: { side: 'operator', retry: false },
  WARREN_E_ENGINE: { side: 'operator', retry: false },
  WARREN_E_BIND: { side: 'operator', retry: true },
  WARREN_E_CONNECT: { side: 'peer', retry: true },
  WARREN_E_TRANSPORT: { side: 'peer', retry: true },
  WARREN_E_CONTROL_CLOSED: { side: 'peer', retry: true },
  WARREN_E_PROTOCOL: { side: 'peer', retry: true },
  WARREN_E_REFUSED: { side: 'peer', retry: true },
  WARREN_E_ABORTED: { side: 'internal', retry: false },
  WARREN_E_STATE: { side: 'internal', retry: false },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error of warren: a stable code, a side, and whether a retry may help. */
export class WarrenError extends Error {
  override readonly name = 'WarrenError';
  readonly code: ErrorCode;
  /** Of WARREN_E_TRANSPORT and WARREN_E_CONTROL_CLOSED: why, as an end reason (docs/reasons.md). */
  readonly reason: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; reason?: string | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.reason = options?.reason;
  }

  get side(): Side {
    return ERROR_CODES[this.code].side;
  }

  get retry(): boolean {
    return ERROR_CODES[this.code].retry;
  }
}

/** The text of whatever was thrown, for a log field. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node's AggregateError (every address of a name failed) has an empty message of its own.
  if (error instanceof AggregateError) return error.errors.map(errorText).join('; ');
  return error.message;
}
