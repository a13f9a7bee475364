/**
 * Records of a TLS 1.3 client written by hand (RFC 8446 5.2, 7.3), for what no library sends. The
 * handshake is node:tls's; its key log has the secret. Nothing else may write on the connection then.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import type tls from 'node:tls';

const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
/** Of TLS_AES_256_GCM_SHA384, which is what `tls.connect` is to be made to take. */
export const TLS13_CIPHER = 'TLS_AES_256_GCM_SHA384';
const HASH = 'sha384';
const HASH_BYTES = 48;

export class Tls13Records {
  #secret: Buffer;
  #key: Buffer = Buffer.alloc(0);
  #iv: Buffer = Buffer.alloc(0);
  #count = 0;

  private constructor(secret: Buffer) {
    this.#secret = secret;
    this.#setKeys();
  }

  /** Of a client whose handshake has not begun. */
  static of(client: tls.TLSSocket): Promise<Tls13Records> {
    return new Promise((resolve) => {
      client.on('keylog', (line: Buffer) => {
        const [label, , secret] = line.toString().trim().split(' ');
        if (label !== 'CLIENT_TRAFFIC_SECRET_0') return;
        resolve(new Tls13Records(Buffer.from(secret ?? '', 'hex')));
      });
    });
  }

  data(text: string): Buffer {
    return this.#record(APPLICATION_DATA, Buffer.from(text));
  }

  keyUpdate(): Buffer {
    // A message of one byte: `update_not_requested`.
    const record = this.#record(HANDSHAKE, Buffer.of(24, 0, 0, 1, 0));
    this.#secret = this.#expand('traffic upd', HASH_BYTES);
    this.#setKeys();
    return record;
  }

  #record(type: number, content: Buffer): Buffer {
    const head = Buffer.of(0x17, 3, 3, 0, 0);
    head.writeUInt16BE(content.length + 1 + 16, 3);
    const nonce = Buffer.from(this.#iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#count) >>> 0, 8);
    this.#count += 1;
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(head);
    const sealed = [cipher.update(content), cipher.update(Buffer.of(type)), cipher.final()];
    return Buffer.concat([head, ...sealed, cipher.getAuthTag()]);
  }

  #setKeys(): void {
    this.#key = this.#expand('key', 32);
    this.#iv = this.#expand('iv', 12);
    this.#count = 0;
  }

  /** HKDF-Expand-Label; one block is enough for all of them. */
  #expand(label: string, length: number): Buffer {
    const name = Buffer.from(`tls13 ${label}`);
    const info = Buffer.concat([Buffer.of(0, length, name.length), name, Buffer.of(0, 1)]);
    return createHmac(HASH, this.#secret).update(info).digest().subarray(0, length);
  }
}
