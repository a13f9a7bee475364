// Noise records of the TypeScript engine, without a socket. The Rust engine exports no such
// function: the noise suites compare the engines by the same exchange through each.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { CIPHERS, CipherState, KEY_BYTES } from '#dist/dataplane/transport/noise-primitives.js';
import { NoiseRecords } from '#dist/dataplane/transport/noise-records.js';
import { bytesOf, hexOf, readVectors } from '../repository.ts';
import type { PureSuite, PureTask } from '../suite.ts';

interface NoiseVectors {
  readonly hello_control_foo: string;
  readonly noise_nk: { readonly key_c2s: string; readonly c2s_0_hello_foo: string };
}

const CIPHER = 'ChaChaPoly';
const KIB = [1, 16, 64];

/** Two ends of one direction; neither ever uses the other one. */
function ends(key: Buffer): { sender: NoiseRecords; receiver: NoiseRecords } {
  const algorithm = CIPHERS[CIPHER];
  if (algorithm === undefined) throw new Error(`no cipher ${CIPHER}`);
  const state = (): CipherState => new CipherState(algorithm, key);
  return {
    sender: new NoiseRecords(state(), state()),
    receiver: new NoiseRecords(state(), state()),
  };
}

function sealTask({ hello_control_foo, noise_nk }: NoiseVectors, kib: number): PureTask {
  const plain = randomBytes(kib * 1024);
  const { sender } = ends(randomBytes(KEY_BYTES));
  return {
    name: `seal ${kib} KiB`,
    check() {
      const known = ends(bytesOf(noise_nk.key_c2s)).sender;
      const record = Buffer.concat(known.seal(bytesOf(hello_control_foo)));
      assert.equal(hexOf(record), noise_nk.c2s_0_hello_foo);
      const { sender: first, receiver } = ends(randomBytes(KEY_BYTES));
      const { plain: opened, fault } = receiver.open(Buffer.concat(first.seal(plain)));
      assert.equal(fault, undefined);
      assert.equal(opened !== undefined && plain.equals(opened), true);
    },
    run: () => sender.seal(plain),
  };
}

function openTask({ hello_control_foo, noise_nk }: NoiseVectors, kib: number): PureTask {
  const plain = randomBytes(kib * 1024);
  const { sender, receiver } = ends(randomBytes(KEY_BYTES));
  let records: Buffer[] = [];
  return {
    name: `open ${kib} KiB`,
    check() {
      const known = ends(bytesOf(noise_nk.key_c2s)).receiver;
      const opened = known.open(bytesOf(noise_nk.c2s_0_hello_foo));
      assert.equal(hexOf(opened.plain ?? Buffer.alloc(0)), hello_control_foo);
      const forged = ends(bytesOf(noise_nk.key_c2s)).receiver;
      const wire = bytesOf(noise_nk.c2s_0_hello_foo);
      wire.writeUInt8(wire.readUInt8(wire.length - 1) ^ 1, wire.length - 1);
      assert.equal(forged.open(wire).fault?.reason, 'bad_record');
    },
    // Each record can be opened once, and only in its turn.
    prepare(count) {
      records = Array.from({ length: count }, () => Buffer.concat(sender.seal(plain)));
    },
    run(index) {
      const { plain: opened, fault } = receiver.open(records[index] ?? Buffer.alloc(0));
      if (fault !== undefined || opened?.length !== plain.length) throw new Error('not opened');
      return opened;
    },
  };
}

export const NOISE_RECORDS: PureSuite = {
  name: 'noise-records',
  title: `records of the TypeScript engine, ${CIPHER}; 64 KiB are two`,
  method: 'tinybench',
  tasks() {
    const vectors = readVectors('wire-v1.json') as NoiseVectors;
    return [
      ...KIB.map((kib) => sealTask(vectors, kib)),
      ...KIB.map((kib) => openTask(vectors, kib)),
    ];
  },
};
