/**
 * A string that must not be printed by accident: tokens, passwords, private keys.
 *
 * Every way Node prints a value (template, JSON, inspect, console) shows the mask; only `reveal()`,
 * which is easy to search for, gives the text. The mask has one length so that it tells nothing.
 */
import { inspect } from 'node:util';

/** What stands in place of a secret everywhere it is printed. */
export const SECRET_MASK = '****';

/** A text whose printed form is a mask. */
export class Secret {
  readonly #value: string;

  private constructor(value: string) {
    this.#value = value;
  }

  /** Wraps a text. */
  static from(value: string): Secret {
    return new Secret(value);
  }

  /** The text itself: for a digest, a handshake or a key file's password, never for a log. */
  reveal(): string {
    return this.#value;
  }

  /** Whether both hold the same text. Compares configurations; authentication compares digests. */
  equals(other: Secret): boolean {
    return this.#value === other.#value;
  }

  get isEmpty(): boolean {
    return this.#value === '';
  }

  toString(): string {
    return SECRET_MASK;
  }

  toJSON(): string {
    return SECRET_MASK;
  }

  static {
    // Not a computed method: isolatedDeclarations cannot name its type.
    Object.defineProperty(Secret.prototype, inspect.custom, { value: () => SECRET_MASK });
  }
}
