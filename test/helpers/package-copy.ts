/**
 * A copy of the built package as npm installs it, for engines that are not there, damaged, or of
 * another version: the ones of this clone are never touched.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BINDING_FILE } from '../../ts/engine/load-binding.ts';
import { platformOf, thisMachine } from '../../ts/engine/platform.ts';
import { CLI } from './cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package that brings the Rust engine for this machine; undefined where there is none. */
export const ENGINE_PACKAGE: string | undefined = platformOf(thisMachine()).enginePackage;

export class PackageCopy {
  readonly #folder: string;
  readonly cli: string;
  /** Where an addon that was built in place would be. */
  readonly local: string;
  /** Where the platform's package would be, and the addon in it. */
  readonly enginePackage: string;
  readonly prebuilt: string;

  /** Has no native engine. `version` is what it takes itself for. */
  constructor(folder: string, version?: string) {
    this.#folder = join(folder, 'node_modules/warren');
    this.cli = join(this.#folder, 'dist/cli.js');
    this.local = join(this.#folder, 'native/warren.node');
    this.enginePackage = join(folder, 'node_modules', ENGINE_PACKAGE ?? 'none');
    this.prebuilt = join(this.enginePackage, `warren.${platformOf(thisMachine()).name}.node`);
    cpSync(dirname(CLI), join(this.#folder, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'), 'junction');
    const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
    const own = version === undefined ? manifest : withVersion(manifest, version);
    writeFileSync(join(this.#folder, 'package.json'), own);
  }

  /** Puts the real addon where it would have been built. */
  putLocal(): string {
    return this.#put(BINDING_FILE, this.local);
  }

  /** Installs the platform's package with the real addon in it. */
  putPackage(version: string): string {
    const manifest = { name: ENGINE_PACKAGE, version };
    const file = this.#put(BINDING_FILE, this.prebuilt);
    writeFileSync(join(this.enginePackage, 'package.json'), JSON.stringify(manifest));
    return file;
  }

  /** Puts a file of this clone at the same place. */
  putFile(path: string): string {
    return this.#put(join(ROOT, path), join(this.#folder, path));
  }

  #put(from: string, to: string): string {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
    return to;
  }
}

function withVersion(manifest: string, version: string): string {
  return manifest.replace(/"version": "[^"]*"/, `"version": "${version}"`);
}
