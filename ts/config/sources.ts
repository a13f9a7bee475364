/** Where a configuration's tokens, certificates and keys are read from. */

/** Files, relative to `base`. */
export interface FileSources {
  /** The directory of the configuration file; of a caller's options, the working directory. */
  readonly base: string;
  /** @throws whatever reading throws. */
  readonly readFile: (path: string) => Uint8Array;
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
