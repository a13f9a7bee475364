/** ELF, the libraries of Linux and the BSDs (gABI, chapters 4 and 5). */
import type { NativeFormat } from './native-format.ts';

/** `e_machine`, bits and byte order, and what Node calls them. */
export const ELF_ARCHS: Readonly<Record<string, string>> = {
  '3 32 LE': 'ia32',
  '8 32 LE': 'mipsel',
  '21 64 BE': 'ppc64',
  '21 64 LE': 'ppc64',
  '22 64 BE': 's390x',
  '40 32 LE': 'arm',
  '62 64 LE': 'x64',
  '183 64 LE': 'arm64',
  '243 64 LE': 'riscv64',
  '258 64 LE': 'loong64',
};

const ET_DYN = 3;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly length: number;
}

/** @throws RangeError */
export function readElf(view: DataView): NativeFormat {
  const elf = new Elf(view);
  const segments = elf.segments();
  const ends = segments.map(({ offset, length }) => offset + length);
  return {
    format: 'ELF',
    archs: [ELF_ARCHS[elf.machine] ?? `ELF machine ${elf.machine}`],
    libc: libcOf(elf.needed(segments)),
    isLibrary: elf.type === ET_DYN,
    // Linkers put the table of sections last, so that what was cut off is missed even there.
    length: Math.max(elf.sectionsEnd(), ...ends),
  };
}

/** Zig names musl's library as musl itself does, Alpine by its processor. */
function libcOf(libraries: readonly string[]): NativeFormat['libc'] {
  if (libraries.includes('libc.so.6')) return 'glibc';
  const isMusl = libraries.some((name) => name === 'libc.so' || name.startsWith('libc.musl-'));
  return isMusl ? 'musl' : undefined;
}

class Elf {
  readonly #view: DataView;
  readonly #isLittle: boolean;
  readonly #is64: boolean;
  readonly machine: string;
  readonly type: number;

  constructor(view: DataView) {
    this.#view = view;
    this.#is64 = view.getUint8(4) === 2;
    this.#isLittle = view.getUint8(5) === 1;
    this.type = this.#half(16);
    this.machine = `${this.#half(18)} ${this.#is64 ? '64' : '32'} ${this.#isLittle ? 'LE' : 'BE'}`;
  }

  segments(): Segment[] {
    const start = this.#word(this.#is64 ? 32 : 28);
    const size = this.#half(this.#is64 ? 54 : 42);
    const count = this.#half(this.#is64 ? 56 : 44);
    return Array.from({ length: count }, (_, index) => {
      const at = start + index * size;
      return {
        type: this.#int(at),
        offset: this.#word(at + (this.#is64 ? 8 : 4)),
        address: this.#word(at + (this.#is64 ? 16 : 8)),
        length: this.#word(at + (this.#is64 ? 32 : 16)),
      };
    });
  }

  sectionsEnd(): number {
    const start = this.#word(this.#is64 ? 40 : 32);
    const size = this.#half(this.#is64 ? 58 : 46);
    return start + size * this.#half(this.#is64 ? 60 : 48);
  }

  /** Names of the libraries that it has to be loaded with. */
  needed(segments: readonly Segment[]): string[] {
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    if (dynamic === undefined) return [];
    const names: number[] = [];
    let strings = 0;
    const step = this.#is64 ? 8 : 4;
    for (let at = dynamic.offset; at < dynamic.offset + dynamic.length; at += 2 * step) {
      const [tag, value] = [this.#word(at), this.#word(at + step)];
      if (tag === DT_NULL) break;
      if (tag === DT_NEEDED) names.push(value);
      if (tag === DT_STRTAB) strings = value;
    }
    const holder = segments.find(
      ({ type, address, length }) =>
        type === PT_LOAD && strings >= address && strings < address + length,
    );
    if (holder === undefined) return [];
    const start = holder.offset + strings - holder.address;
    return names.map((name) => this.#text(start + name));
  }

  #text(start: number): string {
    let text = '';
    for (let at = start; this.#view.getUint8(at) !== 0; at++) {
      text += String.fromCharCode(this.#view.getUint8(at));
    }
    return text;
  }

  #half(at: number): number {
    return this.#view.getUint16(at, this.#isLittle);
  }

  #int(at: number): number {
    return this.#view.getUint32(at, this.#isLittle);
  }

  #word(at: number): number {
    return this.#is64 ? Number(this.#view.getBigUint64(at, this.#isLittle)) : this.#int(at);
  }
}
