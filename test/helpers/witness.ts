/** What a process asks its system for (`test/fixtures/witness.c` is preloaded): names, socket options. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Resources } from './process-resources.ts';
import { temporaryFolder } from './programs.ts';

const SOURCE = fileURLToPath(new URL('../fixtures/witness.c', import.meta.url));

/** A connection that was accepted or dialled, and the options that it was given, by name. */
export interface WitnessedSocket {
  readonly how: 'accept' | 'connect';
  /** The other end's. */
  readonly port: number;
  readonly options: Readonly<Partial<Record<OptionName, number>>>;
}

type OptionName = 'nodelay' | 'keepalive' | 'keepaliveIdleSecs' | 'keepaliveIntervalSecs';

/** Linux: level and name. */
const OPTIONS: Readonly<Record<string, OptionName>> = {
  '6 1': 'nodelay',
  '1 9': 'keepalive',
  '6 4': 'keepaliveIdleSecs',
  '6 5': 'keepaliveIntervalSecs',
};

export class Witness {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  constructor(library: string, file: string) {
    this.env = { LD_PRELOAD: library, WARREN_WITNESS: file };
    this.#file = file;
  }

  /** Names that the resolver was asked for. */
  names(): string[] {
    return this.#lines()
      .filter(([what]) => what === 'name')
      .map(([, name = '']) => name);
  }

  /** Linux: what was accepted has its listener's options to begin with. */
  sockets(): WitnessedSocket[] {
    const all: WitnessedSocket[] = [];
    const byDescriptor = new Map<string, Partial<Record<OptionName, number>>>();
    for (const [what, fd = '', first, second = '', value] of this.#lines()) {
      if (what === 'socket') byDescriptor.set(fd, {});
      else if (what === 'accept') byDescriptor.set(fd, { ...byDescriptor.get(second) });
      const options = byDescriptor.get(fd) ?? {};
      if (what === 'option') {
        const name = OPTIONS[`${first} ${second}`];
        if (name !== undefined) options[name] = Number(value);
      } else if (what === 'accept' || what === 'connect') {
        all.push({ how: what, port: Number(first), options });
      }
    }
    return all;
  }

  #lines(): string[][] {
    if (!existsSync(this.#file)) return [];
    const lines = readFileSync(this.#file, 'utf8').trimEnd().split('\n');
    return lines.map((line) => line.split(' '));
  }
}

/** Undefined where it cannot be made: no cc, or not Linux. */
export function makeWitness(resources: Resources): Witness | undefined {
  const folder = temporaryFolder(resources);
  const library = join(folder, 'witness.so');
  const flags = ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl'];
  if (process.platform !== 'linux' || spawnSync('cc', flags).status !== 0) {
    return undefined;
  }
  return new Witness(library, join(folder, 'witnessed'));
}
