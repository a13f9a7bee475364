/** Where a configuration, its tokens, certificates and keys are read from, and how. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** Files, relative to `base`. */
export interface FileSources {
  /** The directory of the configuration file; of a caller's options, the working directory. */
  readonly base: string;
  /** @throws whatever reading throws. */
  readonly readFile: (path: string) => Uint8Array;
}

/**
 * No configuration, token or certificate bundle is this long; a mistaken path (a disk image, say)
 * may be.
 */
const MAX_FILE_BYTES = 1024 * 1024;
const READ_BYTES = 64 * 1024;

/**
 * Reads a whole file. It never waits: a FIFO, a terminal or a device is refused, because a read of
 * one would stop the whole process for as long as nobody writes.
 *
 * @throws Node's error, or a TypeError if it is no regular file or too long.
 */
export function readWholeFile(path: string): Uint8Array {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new TypeError(`it is ${kindOfFile(stats)}, not a regular file`);
    return readBytes(fd);
  } finally {
    closeSync(fd);
  }
}

/** The file's size is not asked: in /proc it is 0, and it may change under the read. */
function readBytes(fd: number): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length <= MAX_FILE_BYTES) {
    const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, MAX_FILE_BYTES + 1 - length));
    const count = readChunk(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    length += count;
  }
  throw new TypeError('it is longer than 1 MiB');
}

function readChunk(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    // /proc/kmsg calls itself a regular file. From `open` the same code is a lease, which passes.
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
      throw new TypeError('a read of it would wait, as of no regular file', { cause: error });
    }
    throw error;
  }
}

function kindOfFile(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  return 'a device';
}

/** The text of a file that must be UTF-8. The byte order mark is kept: the parser skips it. */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** What went wrong in words, without the path that Node's message repeats. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'it is not UTF-8 text';
  return code ?? (error instanceof Error ? error.message : String(error));
}
