/**
 * BER as node-forge reads it: trees of values whose bytes are strings of one byte per character.
 * What is not there, or not what it should be, is a TypeError.
 */
import type Forge from 'node-forge';
import { forge } from './forge.ts';

export type Asn1 = Forge.asn1.Asn1;

/** The whole text must be one value. */
export function parse(der: string): Asn1 {
  return forge().asn1.fromDer(der, false);
}

export function sequence(value: Asn1 | undefined): readonly Asn1[] {
  if (value === undefined || !Array.isArray(value.value)) throw new TypeError('no sequence');
  return value.value as Asn1[];
}

export function child(value: Asn1 | undefined, index: number): Asn1 {
  const found = sequence(value)[index];
  if (found === undefined) throw new TypeError('nothing there');
  return found;
}

export function oid(value: Asn1 | undefined): string {
  if (typeof value?.value !== 'string') throw new TypeError('no object identifier');
  return forge().asn1.derToOid(value.value);
}

/** An OCTET STRING in one piece; BER may write it in several. */
export function octets(value: Asn1 | undefined): string {
  if (value === undefined) throw new TypeError('no octets');
  return typeof value.value === 'string' ? value.value : value.value.map(octets).join('');
}

/** An INTEGER from 1 to `max`. */
export function count(value: Asn1 | undefined, max: number): number {
  const number = Number(`0x${Buffer.from(octets(value), 'latin1').toString('hex')}`);
  if (!(number >= 1 && number <= max)) throw new TypeError('out of range');
  return number;
}

/** forge's strings have one byte in each character. */
export function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
