// The messages of wire v1, written and read. Those that are constants (acks to write, commands,
// start words) cost nothing and are not here.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  decodeAck,
  decodeHello,
  digestsEqual,
  encodeControlHello,
  encodeDataHello,
  type Hello,
  serviceDigest,
  sessionKey,
} from '#dist/protocol/wire.js';
import { bytesOf, hexOf, readVectors } from '../repository.ts';
import { inTurn, type PureSuite, type PureTask } from '../suite.ts';

interface WireVectors {
  readonly hello_control_foo: string;
  readonly nonce: string;
  readonly hello_server: string;
  readonly auth_token_t: string;
  readonly hello_data: string;
  readonly ack: { readonly ok: string; readonly no_service: string; readonly bad_token: string };
}

const DIGEST_BYTES = 32;
const FURTHER = 15;

/** The input of a vector first, then random ones of the same length. */
function digests(hex: string): [Buffer, ...Buffer[]] {
  return [bytesOf(hex), ...Array.from({ length: FURTHER }, () => randomBytes(DIGEST_BYTES))];
}

/** What was written of each input is read again. */
function checkHello(
  inputs: readonly Buffer[],
  write: (digest: Buffer) => Uint8Array,
  kind: string,
): void {
  for (const digest of inputs) {
    const hello = decodeHello(write(digest));
    assert.equal(hello.kind, kind);
    assert.equal(hello.kind === 'bad' ? '' : hexOf(hello.digest), hexOf(digest));
  }
}

function helloTasks(vectors: WireVectors): PureTask[] {
  const nonces = digests(vectors.nonce);
  const keys = digests(vectors.auth_token_t);
  const nonce = inTurn(nonces);
  const key = inTurn(keys);
  const controls = inTurn<Uint8Array>([
    bytesOf(vectors.hello_control_foo),
    ...nonces.map(encodeControlHello),
  ]);
  const datas = inTurn<Uint8Array>([bytesOf(vectors.hello_data), ...keys.map(encodeDataHello)]);
  return [
    {
      name: 'encode control hello',
      check() {
        assert.equal(hexOf(encodeControlHello(nonce(0))), vectors.hello_server);
        checkHello(nonces, encodeControlHello, 'control');
      },
      run: (index) => encodeControlHello(nonce(index)),
    },
    {
      name: 'decode control hello',
      check() {
        const digest = hexOf(serviceDigest('foo'));
        assert.deepEqual(readable(decodeHello(controls(0))), { kind: 'control', digest });
      },
      run: (index) => decodeHello(controls(index)),
    },
    {
      name: 'encode data hello',
      check() {
        assert.equal(hexOf(encodeDataHello(key(0))), vectors.hello_data);
        checkHello(keys, encodeDataHello, 'data');
      },
      run: (index) => encodeDataHello(key(index)),
    },
    {
      name: 'decode data hello',
      check() {
        const digest = vectors.auth_token_t;
        assert.deepEqual(readable(decodeHello(datas(0))), { kind: 'data', digest });
      },
      run: (index) => decodeHello(datas(index)),
    },
  ];
}

function readable(hello: Hello): object {
  return hello.kind === 'bad' ? hello : { kind: hello.kind, digest: hexOf(hello.digest) };
}

function hashTasks(vectors: WireVectors): PureTask[] {
  const nonces = inTurn(digests(vectors.nonce));
  const names = inTurn(['foo', ...Array.from({ length: FURTHER }, (_, at) => `service-${at}`)]);
  const same = digests(vectors.auth_token_t).map((key): readonly [Buffer, Buffer] => [
    key,
    Buffer.from(key),
  ]);
  const pair = inTurn<readonly [Buffer, Buffer]>([
    [bytesOf(vectors.nonce), bytesOf(vectors.auth_token_t)],
    ...same,
  ]);
  return [
    {
      name: 'digest of a service name',
      check() {
        const hello = hexOf(encodeControlHello(serviceDigest(names(0))));
        assert.equal(hello, vectors.hello_control_foo);
      },
      run: (index) => serviceDigest(names(index)),
    },
    {
      name: 'session key (auth)',
      check: () => assert.equal(hexOf(sessionKey('t', nonces(0))), vectors.auth_token_t),
      run: (index) => sessionKey('t', nonces(index)),
    },
    {
      name: 'compare two keys',
      check() {
        assert.equal(digestsEqual(...pair(0)), false);
        assert.equal(digestsEqual(...pair(1)), true);
      },
      run: (index) => digestsEqual(...pair(index)),
    },
  ];
}

function ackTask({ ack }: WireVectors): PureTask {
  const acks = inTurn([bytesOf(ack.ok), bytesOf(ack.no_service), bytesOf(ack.bad_token)]);
  return {
    name: 'decode ack',
    check() {
      const read = [0, 1, 2].map((index) => decodeAck(acks(index)));
      assert.deepEqual(read, ['ok', 'no_service', 'bad_token']);
    },
    run: (index) => decodeAck(acks(index)),
  };
}

/** What each of the others takes beside its own work. */
function pickTask(): PureTask {
  const pick = inTurn(digests('00'.repeat(DIGEST_BYTES)));
  return {
    name: 'only picking an input',
    check: () => assert.equal(pick(FURTHER + 1), pick(0)),
    run: pick,
  };
}

export const CODEC: PureSuite = {
  name: 'codec',
  title: 'messages of wire v1',
  method: 'tinybench',
  tasks() {
    // The file's shape is what its own tests say.
    const vectors = readVectors('wire-v1.json') as WireVectors;
    return [...helloTasks(vectors), ackTask(vectors), ...hashTasks(vectors), pickTask()];
  },
};
