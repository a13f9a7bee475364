/** Plain bytes as a codec: for what came behind a handshake that leaves the connection as it is. */
import type { Codec, Opened } from './codec.ts';

const NOTHING = new Uint8Array(0);

export class PlainBytes implements Codec {
  readonly sendsFin = true;

  seal(plain: Uint8Array): readonly Uint8Array[] {
    return [plain];
  }

  open(wire: Buffer): Opened {
    return { plain: wire, ended: false, reply: undefined, fault: undefined };
  }

  fin(): undefined {
    return undefined;
  }

  finish(): Uint8Array {
    return NOTHING;
  }
}
