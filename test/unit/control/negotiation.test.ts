import { describe, expect, it } from 'vitest';
import {
  answerOffer,
  readAnswer,
  resumeUnlessEnded,
  sendOffer,
} from '../../../ts/control/negotiation.ts';
import { WarrenError } from '../../../ts/errors.ts';
import { encodeAnswer, encodeOffer } from '../../../ts/protocol/extension.ts';
import { EXTENSION_VECTORS as V } from '../../helpers/extension-vectors.ts';
import { ScriptedStream } from '../../helpers/scripted-stream.ts';
import { bytes, hex } from '../../helpers/vectors.ts';

const NEVER_MS = 60_000;

/** A peer whose bytes are these, and nothing behind them. */
function peerOf(sent: Uint8Array): ScriptedStream {
  let at = 0;
  return new ScriptedStream((_written, length) => {
    if (at + length > sent.length) return 'hang';
    at += length;
    return sent.subarray(at - length, at);
  });
}

describe('the offer', () => {
  it('names what we can do', () => {
    const stream = peerOf(new Uint8Array(0));
    sendOffer(stream);
    expect(stream.written.map(hex)).toEqual([V.offer[1]?.bytes]);
  });

  it.each([
    [0, false],
    [1, true],
    [0xffff_ffff, true],
    [0x8000_0000, false],
  ])('of features %i is answered with those that both have', async (offered, addresses) => {
    const stream = peerOf(encodeOffer(offered));
    expect(await answerOffer(stream, NEVER_MS)).toEqual({ addresses });
    expect(stream.written.map(hex)).toEqual([hex(encodeAnswer(addresses ? 1 : 0))]);
    expect(stream.ends).toEqual([]);
  });

  it.each([
    ['another magic', encodeOffer(1).with(0, 0)],
    ['commands of v1', new Uint8Array(16)],
    ['a tail that is not zero', encodeOffer(1).with(15, 1)],
  ])('with %s ends the session without an answer', async (_name, sent) => {
    const stream = peerOf(sent);
    expect(await answerOffer(stream, NEVER_MS)).toBeUndefined();
    expect(stream.ends).toEqual(['destroy control_data']);
    expect(stream.written).toEqual([]);
  });

  it('whose first byte is wrong ends the session at once', async () => {
    const stream = peerOf(Uint8Array.of(0));
    expect(await answerOffer(stream, NEVER_MS)).toBeUndefined();
    expect(stream.ends).toEqual(['destroy control_data']);
  });

  it('that does not come whole ends the session in time', async () => {
    const stream = peerOf(encodeOffer(1).subarray(0, 15));
    expect(await answerOffer(stream, 10)).toBeUndefined();
    expect(stream.ends[0]).toBe('destroy control_data');
    expect(stream.written).toEqual([]);
  });

  it('is given up when the session ends meanwhile', async () => {
    const stream = new ScriptedStream(() => 'control_eof');
    expect(await answerOffer(stream, NEVER_MS)).toBeUndefined();
    expect(stream.written).toEqual([]);
  });
});

describe('the answer', () => {
  it.each([
    [0, false],
    [1, true],
  ])('with features %i is what was agreed on', async (features, addresses) => {
    const stream = peerOf(encodeAnswer(features));
    expect(await readAnswer(stream, NEVER_MS)).toEqual({ addresses });
    expect(stream.ends).toEqual([]);
    expect(stream.written).toEqual([]);
  });

  it.each([
    ['a feature that was not offered', encodeAnswer(2)],
    ['the highest feature', encodeAnswer(0x8000_0001)],
    ['another magic', encodeAnswer(1).with(3, 0x32)],
    ['another command of a later v1', bytes('0200000000000000')],
  ])('with %s ends the session', async (_name, sent) => {
    const stream = peerOf(sent);
    expect(await readAnswer(stream, NEVER_MS)).toBeUndefined();
    expect(stream.ends).toEqual(['destroy control_data']);
  });

  it('that stays half ends the session in time', async () => {
    const stream = peerOf(encodeAnswer(1).subarray(0, 4));
    expect(await readAnswer(stream, 10)).toBeUndefined();
    expect(stream.ends[0]).toBe('destroy control_data');
  });
});

describe('resumeUnlessEnded', () => {
  it('lets pass that there is nothing to resume, and nothing else', () => {
    const fail = (error: Error) => () => {
      throw error;
    };
    resumeUnlessEnded(fail(new WarrenError('WARREN_E_STATE', 'no suspended session')));
    expect(() => resumeUnlessEnded(fail(new TypeError('a fault')))).toThrow('a fault');
  });
});
