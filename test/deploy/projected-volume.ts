/** A volume as kubelet writes it: names that link through `..data` to the folder of one version. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type VolumeFiles = Readonly<Record<string, string | Buffer>>;

export class ProjectedVolume {
  readonly folder: string;
  #version = 0;

  constructor(folder: string, files: VolumeFiles) {
    this.folder = folder;
    this.write(files);
    for (const name of Object.keys(files)) symlinkSync(join('..data', name), join(folder, name));
  }

  /** All files of a version appear in one rename; the old version goes away. */
  write(files: VolumeFiles): void {
    const old = `..${this.#version}`;
    this.#version += 1;
    const version = `..${this.#version}`;
    mkdirSync(join(this.folder, version));
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(this.folder, version, name), content);
    }
    symlinkSync(version, join(this.folder, '..data_tmp'));
    renameSync(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    rmSync(join(this.folder, old), { recursive: true, force: true });
  }
}
