/**
 * Words of a reusable data channel (docs/wire.md, section 3), said and understood by a test peer. Written
 * from the document alone, so that an engine is held to it and not to its own encoder.
 */
import net from 'node:net';
import type { Address, Peer } from './peer.ts';

/** Puts a channel to use, instead of v1's start. */
export const PUT_TO_USE: Buffer = Buffer.from('WRN1');
/** Payload of one direction from which the server waits for FREE, exclusive. */
export const FREE_BEYOND = 65_536;

export const WORD_LENGTH = 4;
export const DATA_MAX = 0x7fffffff;
export const ABORT_VALUE = 0xffffffff;
export const START_VALUE = 0xfffffffe;
export const FREE_VALUE = 0xfffffffd;

/** Numbers of section 5. */
export const ABORTED = {
  channelReset: 0,
  reset: 1,
  localRefused: 2,
  localTimeout: 3,
  localUnreachable: 4,
  halfCloseTimeout: 5,
  visitorLimit: 6,
  drain: 7,
  serviceClosed: 8,
  destroyed: 9,
  internalError: 10,
} as const;

export type Word =
  | { readonly word: 'data'; readonly bytes: Buffer }
  | { readonly word: 'end' }
  | { readonly word: 'abort'; readonly reason: number }
  | {
      readonly word: 'start';
      readonly visitor: bigint;
      /** Undefined where only the number came. */
      readonly from: Address | undefined;
      readonly to: Address | undefined;
    }
  | { readonly word: 'free' };

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function data(payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload as Uint8Array);
  return Buffer.concat([u32(bytes.length), bytes]);
}

export const END: Buffer = u32(0);
export const FREE: Buffer = u32(FREE_VALUE);

export function abort(reason: number): Buffer {
  return Buffer.concat([u32(ABORT_VALUE), Buffer.of(reason)]);
}

const SOMEWHERE: Address = { host: '192.0.2.7', port: 50_007 };
const PUBLIC: Address = { host: '198.51.100.1', port: 443 };

/** A START. `extra`: trailing bytes that nobody knows. */
export function start(
  visitor: number,
  from: Address = SOMEWHERE,
  to: Address = PUBLIC,
  extra: Uint8Array = Buffer.alloc(0),
): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(visitor));
  const family = Buffer.of(net.isIPv6(from.host) ? 6 : 4);
  return startOf(Buffer.concat([number, family, encodeAddress(from), encodeAddress(to), extra]));
}

/** A START with any body, valid or not. */
export function startOf(body: Uint8Array, length: number = body.length): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(length);
  return Buffer.concat([u32(START_VALUE), bytes, body]);
}

function encodeAddress({ host, port }: Address): Buffer {
  const bytes = net.isIPv6(host) ? ipv6(host) : Buffer.from(host.split('.').map(Number));
  return Buffer.concat([bytes, Buffer.of(port & 0xff, port >> 8)]);
}

function ipv6(host: string): Buffer {
  const [head = '', tail] = host.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, behind] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - before.length - behind.length;
  const bytes = Buffer.alloc(16);
  const all = [...before, ...new Array<number>(zeros).fill(0), ...behind];
  all.forEach((group, at) => {
    bytes.writeUInt16BE(group, at * 2);
  });
  return bytes;
}

/** Reads words off a peer's connection, one at a time. */
export async function readWord(peer: Peer): Promise<Word> {
  const value = (await peer.read(WORD_LENGTH, 'a word')).readUInt32LE();
  if (value === 0) return { word: 'end' };
  if (value <= DATA_MAX) {
    return { word: 'data', bytes: await peer.read(value, `a record of ${value}`) };
  }
  if (value === ABORT_VALUE)
    return { word: 'abort', reason: (await peer.read(1, 'a reason'))[0] ?? 0 };
  if (value === FREE_VALUE) return { word: 'free' };
  if (value !== START_VALUE) throw new Error(`no word: 0x${value.toString(16)}`);
  const length = (await peer.read(2, "START's length")).readUInt16LE();
  return decodeStart(await peer.read(length, 'START'));
}

/** What follows the length of a START. */
export function decodeStart(body: Buffer): Word {
  const visitor = body.readBigUInt64LE();
  if (body.length === 8) return { word: 'start', visitor, from: undefined, to: undefined };
  const family = body[8];
  if (family !== 4 && family !== 6) throw new Error(`no family: ${family}`);
  const size = family === 4 ? 4 : 16;
  const at = (offset: number): Address => ({
    host: hostOf(body.subarray(offset, offset + size)),
    port: body.readUInt16LE(offset + size),
  });
  return { word: 'start', visitor, from: at(9), to: at(9 + size + 2) };
}

function hostOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  // As the system writes it.
  return new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
