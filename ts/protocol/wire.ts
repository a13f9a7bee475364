/**
 * Wire protocol v1, the messages of control and data channels: constants, encoders, decoders.
 * No I/O, no clock. Source: wire-v1 sections 1.2 to 1.6. All lengths are constant; integers are u32
 * little-endian.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export const VERSION = 1;
export const HELLO_LENGTH = 37;
export const DIGEST_LENGTH = 32;
export const AUTH_LENGTH = 32;
export const ACK_LENGTH = 4;
export const COMMAND_LENGTH = 4;

const HELLO_CONTROL = 0;
const HELLO_DATA = 1;
const HELLO_PREFIX_LENGTH = HELLO_LENGTH - DIGEST_LENGTH;

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function readU32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}

function helloPrefix(kind: number): Uint8Array {
  const prefix = new Uint8Array(HELLO_PREFIX_LENGTH);
  prefix.set(u32(kind));
  prefix[4] = VERSION;
  return prefix;
}

/** The bytes that a control or data hello begins with: kind and version. */
export const CONTROL_HELLO_PREFIX: Uint8Array = helloPrefix(HELLO_CONTROL);
export const DATA_HELLO_PREFIX: Uint8Array = helloPrefix(HELLO_DATA);

function hello(prefix: Uint8Array, digest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HELLO_LENGTH);
  bytes.set(prefix);
  bytes.set(digest, HELLO_PREFIX_LENGTH);
  return bytes;
}

/** Client to server with the service digest; server to client with the nonce. */
export function encodeControlHello(digestOrNonce: Uint8Array): Uint8Array {
  return hello(CONTROL_HELLO_PREFIX, digestOrNonce);
}

/** Client to server, first on every data channel. */
export function encodeDataHello(sessionKey: Uint8Array): Uint8Array {
  return hello(DATA_HELLO_PREFIX, sessionKey);
}

export type Hello =
  | { readonly kind: 'control'; readonly digest: Uint8Array }
  | { readonly kind: 'data'; readonly digest: Uint8Array }
  | { readonly kind: 'bad'; readonly cause: 'kind' | 'version' };

/** Decodes 37 bytes. Any version but 1 and any kind but 0 and 1 is bad (wire-v1 1.2). */
export function decodeHello(bytes: Uint8Array): Hello {
  const kind = readU32(bytes);
  if (kind !== HELLO_CONTROL && kind !== HELLO_DATA) return { kind: 'bad', cause: 'kind' };
  if (bytes[4] !== VERSION) return { kind: 'bad', cause: 'version' };
  const digest = bytes.slice(HELLO_PREFIX_LENGTH, HELLO_LENGTH);
  return { kind: kind === HELLO_CONTROL ? 'control' : 'data', digest };
}

/** SHA-256 of the service name's UTF-8 bytes: how a client names a service. */
export function serviceDigest(name: string): Uint8Array {
  return createHash('sha256').update(name, 'utf8').digest();
}

/** SHA-256(token || nonce): the auth message, and from then on the session key. */
export function sessionKey(token: string, nonce: Uint8Array): Uint8Array {
  return createHash('sha256').update(token, 'utf8').update(nonce).digest();
}

/** Compares two digests in constant time (wire-v1 W26). */
export function digestsEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

export const ACK_OK: Uint8Array = u32(0);
export const ACK_NO_SERVICE: Uint8Array = u32(1);
export const ACK_BAD_TOKEN: Uint8Array = u32(2);

export type Ack = 'ok' | 'no_service' | 'bad_token' | 'unknown';

export function decodeAck(bytes: Uint8Array): Ack {
  const value = readU32(bytes);
  return value === 0 ? 'ok' : value === 1 ? 'no_service' : value === 2 ? 'bad_token' : 'unknown';
}

/** Control commands, server to client (1.5). */
export const COMMAND_CREATE: Uint8Array = u32(0);
export const COMMAND_HEARTBEAT: Uint8Array = u32(1);

/** Data commands, server to client, first on a data channel that is put to use (1.6). */
export const START_TCP: Uint8Array = u32(0);
export const START_UDP: Uint8Array = u32(1);
