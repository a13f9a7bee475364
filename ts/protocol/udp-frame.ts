/**
 * UDP frames on a data channel (wire-v1 1.7): `u8 H`, header of H bytes, payload of N bytes. The
 * header holds the visitor's address, its port and N, all little-endian but the address. No I/O.
 * Addresses stay bytes as long as they can: `key` is the address and port as they are on the wire,
 * so that nothing is parsed per datagram.
 */
import net from 'node:net';

/** Length of the largest UDP payload that IPv4 can carry; the frame itself allows 65535. */
export const UDP_PAYLOAD_MAX = 65_507;

const TAG_LENGTH = 4;
const PORT_LENGTH = 2;
const SIZE_LENGTH = 2;
const FAMILIES = [
  { tag: 0, addressLength: 4 },
  { tag: 1, addressLength: 16 },
] as const;

export interface UdpFrame {
  /** Address and port on the wire, as latin1 text: the identity of the visitor. */
  readonly key: string;
  /** Valid as long as the chunk that was pushed. */
  readonly payload: Uint8Array;
}

/** Everything of a frame before N, for one visitor; encode it once per visitor. */
export function encodeFramePrefix(host: string, port: number): Buffer {
  const address = addressBytes(host);
  const tag = address.length === 4 ? 0 : 1;
  const headerLength = TAG_LENGTH + address.length + PORT_LENGTH + SIZE_LENGTH;
  const prefix = Buffer.alloc(1 + headerLength - SIZE_LENGTH);
  prefix[0] = headerLength;
  prefix.writeUInt32LE(tag, 1);
  prefix.set(address, 1 + TAG_LENGTH);
  prefix.writeUInt16LE(port, 1 + TAG_LENGTH + address.length);
  return prefix;
}

/** The visitor's key, as `UdpFrame.key`, of a prefix. */
export function keyOfPrefix(prefix: Buffer): string {
  return prefix.toString('latin1', 1);
}

/** The prefix of a visitor's frames, of its key: replies name the same address. */
export function prefixOfKey(key: string): Buffer {
  const prefix = Buffer.alloc(1 + key.length);
  prefix[0] = key.length + SIZE_LENGTH;
  prefix.write(key, 1, 'latin1');
  return prefix;
}

/** One frame as one buffer, so that it is one write (wire-v1 W33). */
export function encodeFrame(prefix: Buffer, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefix.length + SIZE_LENGTH + payload.length);
  frame.set(prefix);
  frame.writeUInt16LE(payload.length, prefix.length);
  frame.set(payload, prefix.length + SIZE_LENGTH);
  return frame;
}

/** The address and port of a key. */
export function addressOfKey(key: string): { host: string; port: number } {
  const bytes = Buffer.from(key, 'latin1');
  const address = bytes.subarray(TAG_LENGTH, bytes.length - PORT_LENGTH);
  const port = bytes.readUInt16LE(bytes.length - PORT_LENGTH);
  if (address.length === 4) return { host: address.join('.'), port };
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((at) => address.readUInt16BE(at).toString(16));
  const text = new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
  return { host: text, port };
}

/** Splits a byte stream into frames; keeps at most one incomplete frame. */
export class UdpFrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Calls `onFrame` for every frame that is complete. False: the stream is malformed (an unknown
   * address family, a header shorter than its family needs) and must not be pushed to again.
   */
  push(chunk: Uint8Array, onFrame: (frame: UdpFrame) => void): boolean {
    const bytes =
      this.#rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
        : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const frame = frameAt(bytes, at);
      if (frame === 'bad') return false;
      if (frame === 'more') break;
      onFrame(frame);
      at = frame.end;
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    return true;
  }
}

function frameAt(bytes: Buffer, at: number): (UdpFrame & { end: number }) | 'more' | 'bad' {
  const headerLength = bytes[at] ?? 0;
  const header = at + 1;
  if (headerLength < TAG_LENGTH) return 'bad';
  if (bytes.length < header + TAG_LENGTH) return 'more';
  const tag = bytes.readUInt32LE(header);
  const family = FAMILIES.find((known) => known.tag === tag);
  if (family === undefined) return 'bad';
  const keyLength = TAG_LENGTH + family.addressLength + PORT_LENGTH;
  if (headerLength < keyLength + SIZE_LENGTH) return 'bad';
  const payload = header + headerLength; // surplus header bytes are skipped
  if (bytes.length < payload) return 'more';
  const end = payload + bytes.readUInt16LE(header + keyLength);
  if (bytes.length < end) return 'more';
  return {
    key: bytes.toString('latin1', header, header + keyLength),
    payload: bytes.subarray(payload, end),
    end,
  };
}

/** The octets of a literal, network order. A zone (`%eth0`) is not carried. */
export function addressBytes(host: string): Buffer {
  if (net.isIPv4(host)) return Buffer.from(host.split('.').map(Number));
  const plain = host.split('%')[0] ?? host;
  // An embedded IPv4 tail is two groups.
  const hex = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)]
      .map((group) => group.toString(16))
      .join(':'),
  );
  const [head = '', tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  return bytes;
}
