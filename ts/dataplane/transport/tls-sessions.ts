/**
 * Sessions that a client may resume, so that a data channel does not pay for a full handshake. A
 * ticket of TLS 1.3 is used once (RFC 8446 C.4), so several are kept for dials at the same time; one
 * session of TLS 1.2 serves all of them.
 */

/** As many dials at once resume; about 2 KB each. */
const TICKETS_MAX = 64;

export class TlsSessions {
  #reusable: Buffer | undefined;
  /** Oldest first. */
  #tickets: Buffer[] = [];

  add(session: Buffer, protocol: string | null): void {
    if (protocol !== 'TLSv1.3') {
      this.#reusable = session;
      return;
    }
    this.#reusable = undefined;
    this.#tickets.push(session);
    if (this.#tickets.length > TICKETS_MAX) this.#tickets.shift();
  }

  /** For the next dial; the newest lives longest. */
  take(): Buffer | undefined {
    return this.#tickets.pop() ?? this.#reusable;
  }
}
