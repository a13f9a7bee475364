/**
 * Whose use of a data channel it is: what START carries (docs/wire.md, section 3). It is at hand where
 * the local service is dialled.
 */
import net from 'node:net';
import type { SocketAddress } from '../engine/spec.ts';
import { addressBytes } from '../protocol/udp-frame.ts';

const NUMBER_BYTES = 8;
const PORT_BYTES = 2;
const IPV4 = { family: 4, length: 4 } as const;
const IPV6 = { family: 6, length: 16 } as const;

export interface Origin {
  /** Numbers the uses of a session, from 1. */
  readonly visitor: bigint;
  /** Undefined when the peers have not agreed on addresses. */
  readonly addresses: OriginAddresses | undefined;
}

export interface OriginAddresses {
  readonly visitor: SocketAddress;
  /** The public address that it reached. */
  readonly reached: SocketAddress;
}

export function encodeOrigin({ visitor, addresses }: Origin): Buffer {
  const number = Buffer.allocUnsafe(NUMBER_BYTES);
  number.writeBigUInt64LE(visitor);
  // The system has no address of a visitor that was gone before it was accepted.
  const isKnown = addresses !== undefined && net.isIP(addresses.visitor.host) !== 0;
  if (!isKnown || net.isIP(addresses.reached.host) === 0) return number;
  const from = encodeAddress(addresses.visitor);
  const to = encodeAddress(addresses.reached);
  const { family } = from.length === IPV4.length + PORT_BYTES ? IPV4 : IPV6;
  return Buffer.concat([number, Uint8Array.of(family), from, to]);
}

/**
 * Undefined: shorter than it must be, or of no family that there is. Surplus bytes are skipped. Whether
 * there are addresses shows in the length: what was agreed may not be known yet.
 */
export function decodeOrigin(payload: Uint8Array): Origin | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length < NUMBER_BYTES) return undefined;
  const visitor = bytes.readBigUInt64LE(0);
  if (bytes.length === NUMBER_BYTES) return { visitor, addresses: undefined };
  const known = [IPV4, IPV6].find(({ family }) => family === bytes[NUMBER_BYTES]);
  if (known === undefined) return undefined;
  const { length } = known;
  const first = NUMBER_BYTES + 1;
  const second = first + length + PORT_BYTES;
  if (bytes.length < second + length + PORT_BYTES) return undefined;
  const addresses = {
    visitor: addressAt(bytes, first, length),
    reached: addressAt(bytes, second, length),
  };
  return { visitor, addresses };
}

function encodeAddress({ host, port }: SocketAddress): Buffer {
  const address = addressBytes(host);
  const bytes = Buffer.alloc(address.length + PORT_BYTES);
  bytes.set(address);
  bytes.writeUInt16LE(port, address.length);
  return bytes;
}

function addressAt(bytes: Buffer, at: number, length: number): SocketAddress {
  const address = bytes.subarray(at, at + length);
  const port = bytes.readUInt16LE(at + length);
  if (length === IPV4.length) return { host: address.join('.'), port };
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((from) => address.readUInt16BE(from).toString(16));
  const host = new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
  return { host, port };
}
