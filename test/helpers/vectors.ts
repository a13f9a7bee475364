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
  readonly ws: {
    readonly mask: string;
    readonly hello_control_foo_masked: string;
    readonly hello_server_unmasked: string;
  };
  readonly noise_nk: {
    readonly s_priv: string;
    readonly ei_priv: string;
    readonly er_priv: string;
    readonly wire_m1: string;
    readonly wire_m2: string;
    readonly handshake_hash: string;
    readonly key_c2s: string;
    readonly key_s2c: string;
    readonly c2s_0_hello_foo: string;
    readonly s2c_0_hello: string;
    readonly c2s_1_auth_t: string;
    readonly s2c_1_ack_ok: string;
  };
}

const url = new URL('../vectors/wire-v1.json', import.meta.url);

export const WIRE_VECTORS: WireVectors = JSON.parse(readFileSync(url, 'utf8')) as WireVectors;

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
