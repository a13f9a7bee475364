/**
 * What a shared library says of itself in its header: for which systems and processors it is made,
 * and how long it has to be. Nothing of it is executed. What a damaged header makes a reader do is
 * throw a RangeError.
 */
import { ELF_ARCHS, readElf } from './native-elf.ts';
import { readFatMachO, readMachO } from './native-macho.ts';
import { readPe } from './native-pe.ts';

export interface NativeFormat {
  readonly format: 'ELF' | 'Mach-O' | 'PE';
  /** Processors it has code for, as in `process.arch`; those that Node does not name as numbers. */
  readonly archs: readonly string[];
  /** The C library it asks for, where it is one of these. */
  readonly libc?: 'glibc' | 'musl' | undefined;
  readonly isLibrary: boolean;
  /** How many bytes its tables tell of. */
  readonly length: number;
}

/** Those that can be told; every processor of Mach-O and PE is among those of ELF. */
export const NAMED_ARCHS: readonly string[] = Object.values(ELF_ARCHS);

/** Undefined for what is no native code at all. @throws RangeError when its tables are cut short. */
export function readNativeFormat(bytes: Buffer): NativeFormat | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (view.getUint32(0)) {
    case 0x7f454c46:
      return readElf(view);
    case 0xcffaedfe:
      return readMachO(view);
    case 0xcafebabe:
      return readFatMachO(view);
  }
  return view.getUint16(0) === 0x4d5a ? readPe(view) : undefined;
}
