/** PE, the libraries of Windows ("PE Format" in Microsoft's documentation). */
import type { NativeFormat } from './native-format.ts';

const ARCHS: Readonly<Record<number, string>> = { 332: 'ia32', 34404: 'x64', 43620: 'arm64' };

const HEADER_LENGTH = 24;
const SECTION_LENGTH = 40;
const IMAGE_FILE_DLL = 0x2000;

/** Undefined for what only begins like one. @throws RangeError */
export function readPe(view: DataView): NativeFormat | undefined {
  const at = view.getUint32(0x3c, true);
  if (view.getUint32(at) !== 0x50450000) return undefined;
  const machine = view.getUint16(at + 4, true);
  const sections = at + HEADER_LENGTH + view.getUint16(at + 20, true);
  const ends = Array.from({ length: view.getUint16(at + 6, true) }, (_, index) => {
    const section = sections + index * SECTION_LENGTH;
    return view.getUint32(section + 16, true) + view.getUint32(section + 20, true);
  });
  return {
    format: 'PE',
    archs: [ARCHS[machine] ?? `PE machine ${machine}`],
    isLibrary: (view.getUint16(at + 22, true) & IMAGE_FILE_DLL) !== 0,
    length: Math.max(sections, ...ends),
  };
}
