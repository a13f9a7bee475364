// What two warren peers say beyond wire v1: offer, answer, mark and frames.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { FrameReader } from '#dist/dataplane/frames.js';
import {
  decodeAnswer,
  decodeOffer,
  encodeAnswer,
  encodeChannelsFrame,
  encodeDrainFrame,
  encodeOffer,
  isMarked,
  MARKED_RANDOM_LENGTH,
  markedNonce,
  REUSE_FRAMES,
} from '#dist/protocol/extension.js';
import { bytesOf, hexOf, readVectors } from '../repository.ts';
import { inTurn, type PureSuite, type PureTask } from '../suite.ts';

interface FeatureVector {
  readonly features: number;
  readonly bytes: string;
}

interface ExtensionVectors {
  readonly nonce: readonly { readonly random: string; readonly nonce: string }[];
  readonly offer: readonly FeatureVector[];
  readonly answer: readonly FeatureVector[];
  readonly frames: {
    readonly channels: readonly { readonly n: number; readonly bytes: string }[];
    readonly drain: readonly { readonly ms: number | null; readonly bytes: string }[];
  };
}

const FEATURES = 16;

function nonceTasks({ nonce }: ExtensionVectors): PureTask[] {
  const made = Array.from({ length: FEATURES }, () => randomBytes(MARKED_RANDOM_LENGTH));
  const randoms = inTurn([randomBytes(MARKED_RANDOM_LENGTH), ...made]);
  const nonces = inTurn([markedNonce(randoms(0)), ...made.map(markedNonce)]);
  return [
    {
      name: 'mark a nonce',
      check() {
        for (const { random, nonce: marked } of nonce) {
          assert.equal(hexOf(markedNonce(bytesOf(random))), marked);
        }
      },
      run: (index) => markedNonce(randoms(index)),
    },
    {
      name: 'is a nonce marked',
      check() {
        for (const { nonce: marked } of nonce) {
          assert.equal(isMarked(bytesOf(marked)), true);
          assert.equal(isMarked(bytesOf(marked).fill(0, MARKED_RANDOM_LENGTH)), false);
        }
      },
      run: (index) => isMarked(nonces(index)),
    },
  ];
}

/** Encoding and decoding of one of the two words that hold features. */
function featureTasks(
  name: string,
  vectors: readonly FeatureVector[],
  encode: (features: number) => Uint8Array,
  decode: (bytes: Uint8Array) => number | undefined,
): PureTask[] {
  const words = inTurn<Uint8Array>([
    encode(0),
    ...Array.from({ length: FEATURES }, (_, at) => encode(at)),
  ]);
  return [
    {
      name: `encode ${name}`,
      check() {
        for (const { features, bytes } of vectors) assert.equal(hexOf(encode(features)), bytes);
      },
      run: (index) => encode(index % FEATURES),
    },
    {
      name: `decode ${name}`,
      check() {
        for (const { features, bytes } of vectors) assert.equal(decode(bytesOf(bytes)), features);
      },
      run: (index) => decode(words(index)),
    },
  ];
}

function frameTasks({ frames }: ExtensionVectors): PureTask[] {
  const wire = inTurn(
    [1, 2, 8, 513].map((count) => Buffer.from(encodeChannelsFrame(count))) as [Buffer],
  );
  const reader = new FrameReader(REUSE_FRAMES);
  const read = (bytes: Buffer): ReturnType<FrameReader['next']> => {
    reader.feed(bytes);
    return reader.next();
  };
  return [
    {
      name: 'encode CHANNELS frame',
      check() {
        for (const { n, bytes } of frames.channels)
          assert.equal(hexOf(encodeChannelsFrame(n)), bytes);
      },
      run: (index) => encodeChannelsFrame(index % 100),
    },
    {
      name: 'decode CHANNELS frame',
      check() {
        for (const { n, bytes } of frames.channels) {
          assert.deepEqual(read(bytesOf(bytes)), { kind: 'channels', count: n });
        }
      },
      run: (index) => read(wire(index)),
    },
    {
      name: 'encode DRAIN frame',
      check() {
        for (const { ms, bytes } of frames.drain) {
          assert.equal(hexOf(encodeDrainFrame(ms ?? Number.POSITIVE_INFINITY)), bytes);
        }
      },
      run: (index) => encodeDrainFrame(index),
    },
  ];
}

export const CODEC_EXTENSION: PureSuite = {
  name: 'codec-extension',
  title: 'words and frames between two warren peers',
  method: 'tinybench',
  tasks() {
    const vectors = readVectors('extension.json') as ExtensionVectors;
    return [
      ...featureTasks('offer', vectors.offer, encodeOffer, decodeOffer),
      ...featureTasks('answer', vectors.answer, encodeAnswer, decodeAnswer),
      ...frameTasks(vectors),
      ...nonceTasks(vectors),
    ];
  },
};
