/**
 * Native files on their way into a package: each is looked at as before it is loaded (its header fits
 * the system it is for, nothing is missing, its checksum is right) and gets its checksum beside it.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { checkNativeFile } from '../../dist/engine/native-file.js';
import { HERE } from './targets.mjs';
import { checkBuiltVersion } from './versions.mjs';

/** @throws Error when the file is not for that machine, damaged, or of another version */
export function addNativeFile(source, destination, machine, version) {
  // Prebuilt for 32 bits there is ARMv7 only.
  const problem = checkNativeFile(source, { ...machine, armVersion: '7' });
  if (problem !== undefined) throw new Error(problem);
  if (runsHere(machine)) checkBuiltVersion(source, version);
  mkdirSync(dirname(destination), { recursive: true });
  copyFileSync(source, destination);
  const sum = createHash('sha256').update(readFileSync(destination)).digest('hex');
  writeFileSync(`${destination}.sha256`, `${sum}  ${basename(destination)}\n`);
}

function runsHere({ platform, arch, libc }) {
  return platform === HERE.platform && arch === HERE.arch && libc === HERE.libc;
}
