/**
 * Makes sure of a native file before it is loaded: a loader maps it and runs it, and one that was
 * cut short or damaged ends the process by a signal, without a word. Each reason is a sentence for
 * people that begins with the file.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { errorText } from '../errors.ts';
import { NAMED_ARCHS, type NativeFormat, readNativeFormat } from './native-format.ts';
import { type Machine, thisMachine } from './platform.ts';

const SYSTEMS: Readonly<Record<NativeFormat['format'], string>> = {
  ELF: 'Linux or BSD',
  'Mach-O': 'macOS',
  PE: 'Windows',
};

/** How much of a file's beginning, or of a hash, a reason shows. */
const SHOWN = 16;

/** Whether something is there by that name, of whatever kind. */
export function isThere(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // In a folder that cannot be entered: reading it will say so.
    return true;
  }
}

/** Why this file is not to be loaded; undefined when nothing speaks against it. Never throws. */
export function checkNativeFile(
  file: string,
  machine: Machine = thisMachine(),
): string | undefined {
  const bytes = readRegular(file);
  if (typeof bytes === 'string') return `${file} ${bytes}`;
  if (bytes.length === 0) return `${file} is empty`;
  // What it is made for comes first: this much a reader can understand and act on.
  const problem = headerProblem(bytes, machine);
  return problem === undefined ? checksumProblem(file, bytes) : `${file} ${problem}`;
}

/** Its bytes, or why they cannot be had. */
function readRegular(file: string): Buffer | string {
  try {
    const stats = statSync(file);
    // Reading from a pipe or a device might never end.
    if (!stats.isFile()) return stats.isDirectory() ? 'is a directory' : 'is no regular file';
    return readFileSync(file);
  } catch (error) {
    return isThere(file) && codeOf(error) === 'ENOENT'
      ? 'is a link to nothing'
      : `cannot be read: ${systemText(error)}`;
  }
}

function headerProblem(bytes: Buffer, machine: Machine): string | undefined {
  let format: NativeFormat | undefined;
  try {
    format = readNativeFormat(bytes);
  } catch {
    return `is cut short or damaged: its header tells of more than its ${bytes.length} bytes`;
  }
  if (format === undefined || !format.isLibrary) {
    return `is no shared library: it begins with ${inspect(bytes.toString('latin1', 0, SHOWN))}`;
  }
  const { length } = format;
  const misfit = misfitOf(format, machine);
  if (misfit !== undefined || length <= bytes.length) return misfit;
  return `is cut short: it has ${bytes.length} bytes of ${length}`;
}

function misfitOf({ format, archs, libc }: NativeFormat, machine: Machine): string | undefined {
  const { platform, arch } = machine;
  if (format !== formatOf(platform)) return `is built for ${SYSTEMS[format]}, this is ${platform}`;
  // What Node has a name for and we do not is left to the loader.
  if (NAMED_ARCHS.includes(arch) && !archs.includes(arch)) {
    return `is built for ${archs.join(' and ')}, this is ${arch}`;
  }
  const isForeign = machine.libc !== undefined && libc !== undefined && libc !== machine.libc;
  return isForeign ? `is built for ${libc}, this system has ${machine.libc}` : undefined;
}

function formatOf(platform: string): NativeFormat['format'] {
  if (platform === 'darwin') return 'Mach-O';
  return platform === 'win32' ? 'PE' : 'ELF';
}

function checksumProblem(file: string, bytes: Buffer): string | undefined {
  const beside = `${file}.sha256`;
  if (!isThere(beside)) return undefined;
  const line = readRegular(beside);
  if (typeof line === 'string') return `${beside} ${line}`;
  const wanted = /^[0-9a-f]{64}(?=\s|$)/i.exec(line.toString('latin1'))?.[0].toLowerCase();
  if (wanted === undefined) return `${beside} has no SHA-256 in it`;
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === wanted) return undefined;
  const [is, was] = [found, wanted].map((hash) => `${hash.slice(0, SHOWN)}…`);
  return `${file} is not what was built: its SHA-256 is ${is}, ${beside} says ${was}`;
}

/** Node's text without the path, which is told already. */
function systemText(error: unknown): string {
  return errorText(error).replace(/, \w+( '.*')?$/, '');
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : undefined;
}
