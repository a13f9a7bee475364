/** What the setup has made ready, and what of it a test offers in the registry. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type RunOptions, succeed } from './commands.ts';
import type { RegistryAccess } from './registry.ts';

export interface Scene {
  /** For everything of this run; removed at its end. */
  readonly work: string;
  readonly registry: RegistryAccess;
  /** The script of this machine's npm. */
  readonly npm: string;
  readonly newerNode:
    | { readonly node: string; readonly version: string }
    | { readonly reason: string };
  /** Why no C++ addon can be built here. */
  readonly noCompiler: string | null;
  /** npm's setting `nodedir`; without one node-gyp downloads the headers. */
  readonly nodeHeaders: string;
  /** Folders of packages, tarballs beside them. */
  readonly staged: string;
  /** The platform package of this machine, where its binary is built. */
  readonly engine: { readonly folder: string; readonly packageName: string } | null;
  /** Of all platforms. */
  readonly enginePackages: readonly string[];
  /** Of the C++ addon. */
  readonly hasPrebuild: boolean;
}

declare module 'vitest' {
  export interface ProvidedContext {
    packages: Scene;
  }
  export interface TaskMeta {
    /** For the table at the end. */
    result?: string;
  }
}

export const scene: Scene = inject('packages');

export type Manifest = Record<string, unknown> & {
  readonly name: string;
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

export function newFolder(name: string): string {
  return mkdtempSync(join(scene.work, `${name}-`));
}

/** A copy of a package that differs from it. */
export function variant(
  folder: string,
  changes: Partial<Manifest>,
  without: string[] = [],
): string {
  const copy = newFolder('variant');
  cpSync(folder, copy, { recursive: true });
  for (const name of without) rmSync(join(copy, name), { recursive: true, force: true });
  const manifest = { ...readManifest(folder), ...changes };
  writeFileSync(join(copy, 'package.json'), JSON.stringify(manifest));
  return copy;
}

/** From now on these are all of our packages that the registry has. */
export async function offer(...folders: readonly string[]): Promise<void> {
  const { registry, work } = scene;
  const options: RunOptions = {
    cwd: work,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: work,
      npm_config_cache: join(work, 'publisher-cache'),
      npm_config_userconfig: registry.publisher,
      npm_config_loglevel: 'error',
    },
  };
  for (const name of ['warren', ...scene.enginePackages]) {
    const { ok } = await fetch(registry.url + encodeURIComponent(name));
    if (ok) await succeed(['npm', 'unpublish', '--force', name], options);
  }
  for (const folder of folders) {
    // Older versions are published, too.
    await succeed(['npm', 'publish', '--tag', 'latest'], { ...options, cwd: folder });
  }
}
