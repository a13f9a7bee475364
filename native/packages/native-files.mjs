/**
 * Native files on their way into a package: each is looked at as before it is loaded (its header fits
 * the system it is for, nothing is missing, its checksum is right) and gets its checksum beside it.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkNativeFile } from '../../dist/engine/native-file.js';
import { writeChecksum } from '../checksum.mjs';
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
  writeChecksum(destination);
}

function runsHere({ platform, arch, libc }) {
  return platform === HERE.platform && arch === HERE.arch && libc === HERE.libc;
}
