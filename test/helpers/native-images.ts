/** Shared libraries that are nothing but their headers, for any system and processor. */

interface ElfOptions {
  readonly machine?: number;
  readonly bits?: 32 | 64;
  readonly isLittle?: boolean;
  readonly type?: number;
  /** Libraries that it asks for. */
  readonly needed?: readonly string[];
}

const X86_64 = 62;
const ET_DYN = 3;
/** Where its one segment is in memory: not where it is in the file. */
const BASE = 0x1000;

/** A segment of everything, the dynamic section, its texts, and at the very end one section. */
export function elf(options: ElfOptions = {}): Buffer {
  const { machine = X86_64, bits = 64, isLittle = true, type = ET_DYN, needed = [] } = options;
  const word = bits / 8;
  const [headerLength, segmentLength, sectionLength] = bits === 64 ? [64, 56, 64] : [52, 32, 40];
  const texts = Buffer.from(`\0${needed.map((name) => `${name}\0`).join('')}`);
  const dynamicAt = headerLength + 2 * segmentLength;
  const dynamicLength = (needed.length + 2) * 2 * word;
  const textsAt = dynamicAt + dynamicLength;
  const sectionsAt = textsAt + texts.length;
  const bytes = Buffer.alloc(sectionsAt + sectionLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const half = (at: number, value: number): void => view.setUint16(at, value, isLittle);
  const int = (at: number, value: number): void => view.setUint32(at, value, isLittle);
  const words = (at: number, ...values: number[]): void => {
    for (const [index, value] of values.entries()) {
      if (bits === 64) view.setBigUint64(at + index * word, BigInt(value), isLittle);
      else int(at + index * word, value);
    }
  };

  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, isLittle ? 1 : 2, 1]);
  half(16, type);
  half(18, machine);
  words(24, 0, headerLength, sectionsAt);
  // Behind flags: length of the header, then size and number of segments and of sections.
  const sizes = 24 + 3 * word + 4;
  [headerLength, segmentLength, 2, sectionLength, 1].forEach((value, index) => {
    half(sizes + 2 * index, value);
  });
  const segment = (at: number, kind: number, offset: number, length: number): void => {
    int(at, kind);
    words(at + (bits === 64 ? 8 : 4), offset, BASE + offset, BASE + offset, length, length);
  };
  segment(headerLength, 1, 0, sectionsAt);
  segment(headerLength + segmentLength, 2, dynamicAt, dynamicLength);
  const entries = needed.flatMap((name) => [1, texts.indexOf(`\0${name}\0`) + 1]);
  words(dynamicAt, 5, BASE + textsAt, ...entries, 0, 0);
  texts.copy(bytes, textsAt);
  return bytes;
}

export const MACHO_X64 = 0x01000007;
export const MACHO_ARM64 = 0x0100000c;

/** Of 64 bits, with one segment that ends with the file. */
export function machO(cpuType: number, fileType = 6): Buffer {
  const commandLength = 72;
  const bytes = Buffer.alloc(32 + commandLength + 100);
  bytes.writeUInt32BE(0xcffaedfe, 0);
  bytes.writeUInt32LE(cpuType, 4);
  bytes.writeUInt32LE(fileType, 12);
  bytes.writeUInt32LE(1, 16);
  bytes.writeUInt32LE(commandLength, 20);
  bytes.writeUInt32LE(0x19, 32);
  bytes.writeUInt32LE(commandLength, 36);
  bytes.writeBigUInt64LE(BigInt(32 + commandLength), 32 + 40);
  bytes.writeBigUInt64LE(100n, 32 + 48);
  return bytes;
}

/** Several of them in one file. */
export function fatMachO(...cpuTypes: number[]): Buffer {
  const parts = cpuTypes.map((cpuType) => machO(cpuType));
  const header = Buffer.alloc(8 + 20 * parts.length);
  header.writeUInt32BE(0xcafebabe, 0);
  header.writeUInt32BE(parts.length, 4);
  let offset = header.length;
  for (const [index, part] of parts.entries()) {
    const at = 8 + 20 * index;
    header.writeUInt32BE(cpuTypes[index] ?? 0, at);
    header.writeUInt32BE(offset, at + 8);
    header.writeUInt32BE(part.length, at + 12);
    offset += part.length;
  }
  return Buffer.concat([header, ...parts]);
}

export const PE_X64 = 0x8664;
export const PE_ARM64 = 0xaa64;

/** With one section that ends with the file. */
export function pe(machine: number, characteristics = 0x2000): Buffer {
  const at = 0x80;
  const bytes = Buffer.alloc(at + 24 + 40 + 100);
  bytes.write('MZ');
  bytes.writeUInt32LE(at, 0x3c);
  bytes.write('PE', at);
  bytes.writeUInt16LE(machine, at + 4);
  bytes.writeUInt16LE(1, at + 6);
  bytes.writeUInt16LE(characteristics, at + 22);
  bytes.writeUInt32LE(100, at + 24 + 16);
  bytes.writeUInt32LE(at + 24 + 40, at + 24 + 20);
  return bytes;
}
