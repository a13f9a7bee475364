/** Official vectors (test/vectors/noise): every pattern, byte for byte, both roles. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readPattern } from '../../../ts/dataplane/transport/noise-pattern.ts';
import { keyPairFrom, publicKeyFrom } from '../../../ts/dataplane/transport/noise-primitives.ts';
import { NoiseState } from '../../../ts/dataplane/transport/noise-state.ts';

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_ephemeral: string;
  readonly init_static?: string;
  readonly init_remote_static?: string;
  readonly resp_prologue: string;
  readonly resp_ephemeral: string;
  readonly resp_static?: string;
  readonly resp_remote_static?: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const file = new URL('../../vectors/noise/cacophony.txt', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] };
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
/** Of patterns in which a side shows none: the state wants one, and must not use it. */
const UNUSED = keyPairFrom(Buffer.alloc(32, 0x77));

function parties(vector: Vector) {
  const side = (prologue: string, ephemeral: string, own?: string, remote?: string) => ({
    prologue: hex(prologue),
    local: own === undefined ? UNUSED : keyPairFrom(hex(own)),
    remote: remote === undefined ? undefined : publicKeyFrom(hex(remote)),
    ephemeral: keyPairFrom(hex(ephemeral)),
  });
  return {
    initiator: side(
      vector.init_prologue,
      vector.init_ephemeral,
      vector.init_static,
      vector.init_remote_static,
    ),
    responder: side(
      vector.resp_prologue,
      vector.resp_ephemeral,
      vector.resp_static,
      vector.resp_remote_static,
    ),
  };
}

it('has every two-way pattern, cipher and hash', () => {
  const names = vectors.map(({ protocol_name }) => protocol_name.split('_'));
  const distinct = (index: number): number => new Set(names.map((name) => name[index])).size;
  expect([distinct(1), distinct(3), distinct(4)]).toEqual([35, 2, 4]);
});

describe.each(vectors)('$protocol_name', (vector) => {
  const pattern = readPattern(vector.protocol_name);
  const { initiator, responder } = parties(vector);
  const handshake = vector.messages.slice(0, pattern.messages.length);

  it('writes and reads every message', () => {
    const [first, second] = [
      new NoiseState(pattern, 'initiator', initiator),
      new NoiseState(pattern, 'responder', responder),
    ];
    for (const [index, { payload, ciphertext }] of handshake.entries()) {
      const [writer, reader] = index % 2 === 0 ? [first, second] : [second, first];
      expect(writer.writesNext).toBe(true);
      expect(writer.write(hex(payload)).toString('hex')).toBe(ciphertext);
      expect(reader.read(hex(ciphertext)).toString('hex')).toBe(payload);
    }
    for (const state of [first, second]) {
      expect(state.complete).toBe(true);
      expect(state.hash.toString('hex')).toBe(vector.handshake_hash);
    }

    const [ofFirst, ofSecond] = [first.split(), second.split()];
    const none = Buffer.alloc(0);
    const behind = [...vector.messages.entries()].slice(handshake.length);
    for (const [index, { payload, ciphertext }] of behind) {
      const [from, to] = index % 2 === 0 ? [ofFirst, ofSecond] : [ofSecond, ofFirst];
      expect(Buffer.concat(from.send.seal(none, hex(payload))).toString('hex')).toBe(ciphertext);
      expect(to.receive.open(none, hex(ciphertext)).toString('hex')).toBe(payload);
    }
  });

  it('takes no message that was changed', () => {
    const state = new NoiseState(pattern, 'responder', responder);
    const first = hex(handshake[0]?.ciphertext ?? '');
    // Without a key the payload of the first message is plain: its key is what counts then.
    first.writeUInt8(first.readUInt8(0) ^ 1, 0);
    expect(() => {
      state.read(first);
      const answer = state.write(Buffer.alloc(0));
      const other = new NoiseState(pattern, 'initiator', initiator);
      other.write(hex(handshake[0]?.payload ?? ''));
      other.read(answer);
    }).toThrow();
  });
});
