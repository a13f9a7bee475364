/**
 * The messages of every interactive pattern of the Noise specification (rev. 34, sections 7.5 and
 * 18.1). The first and every other message is the initiator's.
 */
import {
  CIPHERS,
  type CipherAlgorithm,
  HASHES,
  type Hash,
  KEY_BYTES,
  TAG_BYTES,
} from './noise-primitives.ts';

export type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss';

export interface NoisePattern {
  readonly name: string;
  readonly cipher: CipherAlgorithm;
  readonly hash: Hash;
  readonly initiatorKnown: boolean;
  readonly responderKnown: boolean;
  readonly messages: readonly (readonly Token[])[];
}

const MESSAGES: Readonly<Record<string, string>> = {
  NN: 'e / e ee',
  NK: 'e es / e ee',
  NX: 'e / e ee s es',
  KN: 'e / e ee se',
  KK: 'e es ss / e ee se',
  KX: 'e / e ee se s es',
  XN: 'e / e ee / s se',
  XK: 'e es / e ee / s se',
  XX: 'e / e ee s es / s se',
  IN: 'e s / e ee se',
  IK: 'e es s ss / e ee se',
  IX: 'e s / e ee se s es',
  NK1: 'e / e ee es',
  NX1: 'e / e ee s / es',
  X1N: 'e / e ee / s / se',
  X1K: 'e es / e ee / s / se',
  XK1: 'e / e ee es / s se',
  X1K1: 'e / e ee es / s / se',
  X1X: 'e / e ee s es / s / se',
  XX1: 'e / e ee s / es s se',
  X1X1: 'e / e ee s / es s / se',
  K1N: 'e / e ee / se',
  K1K: 'e es / e ee / se',
  KK1: 'e / e ee se es',
  K1K1: 'e / e ee es / se',
  K1X: 'e / e ee s es / se',
  KX1: 'e / e ee se s / es',
  K1X1: 'e / e ee s / se es',
  I1N: 'e s / e ee / se',
  I1K: 'e es s / e ee / se',
  IK1: 'e s / e ee se es',
  I1K1: 'e s / e ee es / se',
  I1X: 'e s / e ee s es / se',
  IX1: 'e s / e ee se s / es',
  I1X1: 'e s / e ee s / se es',
};

/** @throws for a name that the control plane does not let through. */
export function readPattern(name: string): NoisePattern {
  const [, letters = '', , cipherName = '', hashName = ''] = name.split('_');
  const messages = MESSAGES[letters];
  const cipher = CIPHERS[cipherName];
  const hash = HASHES[hashName];
  if (messages === undefined || cipher === undefined || hash === undefined) {
    throw new RangeError(`${name} is not a Noise pattern that can be used here`);
  }
  const [initiator, responder] = letters.replaceAll('1', '');
  return {
    name,
    cipher,
    hash,
    initiatorKnown: initiator === 'K',
    responderKnown: responder === 'K',
    messages: messages.split(' / ').map((tokens) => tokens.split(' ') as Token[]),
  };
}

/** How long each message is when it carries no payload. */
export function messageLengths({ messages }: NoisePattern): readonly number[] {
  let keyed = false;
  return messages.map((tokens) => {
    let length = 0;
    for (const token of tokens) {
      if (token === 'e') length += KEY_BYTES;
      else if (token === 's') length += KEY_BYTES + (keyed ? TAG_BYTES : 0);
      else keyed = true;
    }
    return length + (keyed ? TAG_BYTES : 0);
  });
}
