/**
 * How much work an archive may make of its passwords. Keys are derived within the turn that loads
 * or re-reads it, and everything else waits for that.
 */
import { CredentialError } from './credential-error.ts';

/** What one iteration costs, in the fastest of JavaScript: 2 to 3 µs. */
export type IterationCost = 0.25 | 1 | 3;

/** About a second; more than any tool asks for that is not told to. */
const MAX_WORK = 500_000;

/** Of one archive. */
export class KeyWork {
  #left: number = MAX_WORK;

  /** Before a derivation of so many iterations. @throws CredentialError */
  spend(iterations: number, cost: IterationCost): void {
    this.#left -= iterations * cost;
    if (this.#left >= 0) return;
    throw new CredentialError(
      'the archive asks for so many iterations that the tunnel would stand still for seconds',
      'export it with at most 50,000 iterations (`openssl pkcs12 -export -iter 50000 …`)',
    );
  }
}
