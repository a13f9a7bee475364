/**
 * The demo's big file: bytes that both ends can make, never repeat and look random, so that lost,
 * doubled, swapped or changed bytes all show in the digest. AES in counter mode over zeros is such
 * a sequence, and quick. Nothing is ever held but one block.
 */
import { createCipheriv, createHash } from 'node:crypto';

const BLOB_BLOCK_BYTES = 262_144;

const KEY = Buffer.alloc(16, 'warren');
const START = Buffer.alloc(16);
const ZEROS = Buffer.alloc(BLOB_BLOCK_BYTES);

/** The first `length` bytes of the sequence, block by block. */
export function* blobBlocks(length: number): Generator<Buffer, void, undefined> {
  const cipher = createCipheriv('aes-128-ctr', KEY, START);
  for (let left = length; left > 0; left -= BLOB_BLOCK_BYTES) {
    yield cipher.update(left < BLOB_BLOCK_BYTES ? ZEROS.subarray(0, left) : ZEROS);
  }
}

/** SHA-256 of the first `length` bytes, in hex. */
export function blobDigest(length: number): string {
  const hash = createHash('sha256');
  for (const block of blobBlocks(length)) hash.update(block);
  return hash.digest('hex');
}
