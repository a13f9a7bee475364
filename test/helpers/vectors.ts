/** The wire-v1 vectors (appendix A of the protocol's description) as data. */
import { readFileSync } from 'node:fs';

interface WireVectors {
  readonly hello_control_foo: string;
  readonly nonce: string;
  readonly hello_server: string;
  readonly auth_token_t: string;
  readonly hello_data: string;
  readonly ack: { readonly ok: string; readonly no_service: string; readonly bad_token: string };
  readonly control_cmd: { readonly create: string; readonly heartbeat: string };
  readonly data_cmd: { readonly tcp: string; readonly udp: string };
  readonly udp: readonly {
    readonly ip: string;
    readonly port: number;
    readonly data: string;
    readonly frame: string;
  }[];
}

const url = new URL('../vectors/wire-v1.json', import.meta.url);

/** Transports that are not built yet have vectors in the file, too. */
export const WIRE_VECTORS: WireVectors = JSON.parse(readFileSync(url, 'utf8')) as WireVectors;

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
