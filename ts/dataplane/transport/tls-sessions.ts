/**
 * Sessions that a client may resume, so that a data channel does not pay for a full handshake.
 *
 * A session of TLS 1.2 serves any number of connections. A ticket of TLS 1.3 is meant for one (RFC
 * 8446 C.4, so that nobody sees whose connections they are), so all that come are kept and each is
 * used once, but for the last: there are servers that issue none with a resumed session (node:tls),
 * and whose connections ours are is plain from their address.
 */

/** Of as many dials at the same time each has its own; about 2 KB each. */
const SESSIONS_MAX = 64;

export class TlsSessions {
  /** Oldest first. */
  #sessions: Buffer[] = [];

  add(session: Buffer, protocol: string | null): void {
    if (protocol === 'TLSv1.3') {
      this.#sessions.push(session);
      if (this.#sessions.length > SESSIONS_MAX) this.#sessions.shift();
    } else {
      this.#sessions = [session];
    }
  }

  /** For the next dial. */
  take(): Buffer | undefined {
    return this.#sessions.length > 1 ? this.#sessions.shift() : this.#sessions[0];
  }

  /** The server did not know one: it has a new key, or they are too old. */
  clear(): void {
    this.#sessions = [];
  }
}
