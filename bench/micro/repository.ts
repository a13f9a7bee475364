// Where the repository is: this code runs from bench/dist, and under test from bench itself.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('..', import.meta.resolve('#dist/index.js')));

/** A file of test/vectors, which the tests of every implementation share. */
export function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, 'test/vectors', name), 'utf8'));
}

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
