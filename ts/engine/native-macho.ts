/** Mach-O, the libraries of macOS (`mach-o/loader.h`, `mach-o/fat.h`). */
import type { NativeFormat } from './native-format.ts';

const ARCHS: Readonly<Record<number, string>> = { 16777223: 'x64', 16777228: 'arm64' };

const HEADER_LENGTH = 32;
const FAT_HEADER_LENGTH = 8;
const FAT_ENTRY_LENGTH = 20;
/** Java's classes begin with the same bytes, and with a greater number. */
const MAX_FAT_ENTRIES = 16;

const MH_DYLIB = 6;
const MH_BUNDLE = 8;
const LC_SEGMENT_64 = 0x19;

/** One of 64 bits, for one processor. @throws RangeError */
export function readMachO(view: DataView): NativeFormat {
  const type = view.getUint32(12, true);
  const commands = view.getUint32(16, true);
  let length = HEADER_LENGTH + view.getUint32(20, true);
  let at = HEADER_LENGTH;
  for (let left = commands; left > 0; left--) {
    const size = view.getUint32(at + 4, true);
    // Each has at least these two words: a damaged one must not hold us here.
    if (size < 8) throw new RangeError('a load command without a size');
    if (view.getUint32(at, true) === LC_SEGMENT_64) {
      const [offset, bytes] = [view.getBigUint64(at + 40, true), view.getBigUint64(at + 48, true)];
      length = Math.max(length, Number(offset + bytes));
    }
    at += size;
  }
  const archs = [archOf(view.getUint32(4, true))];
  return { format: 'Mach-O', archs, isLibrary: type === MH_DYLIB || type === MH_BUNDLE, length };
}

/** Several in one file, each for another processor. @throws RangeError */
export function readFatMachO(view: DataView): NativeFormat | undefined {
  const count = view.getUint32(4);
  if (count === 0 || count > MAX_FAT_ENTRIES) return undefined;
  const entries = Array.from({ length: count }, (_, index) => {
    const at = FAT_HEADER_LENGTH + index * FAT_ENTRY_LENGTH;
    const end = view.getUint32(at + 8) + view.getUint32(at + 12);
    return { arch: archOf(view.getUint32(at)), end };
  });
  return {
    format: 'Mach-O',
    archs: entries.map(({ arch }) => arch),
    isLibrary: true,
    length: Math.max(...entries.map(({ end }) => end)),
  };
}

function archOf(cpuType: number): string {
  return ARCHS[cpuType] ?? `Mach-O processor ${cpuType}`;
}
