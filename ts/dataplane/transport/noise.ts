/** Noise as a transport (wire-v1 4.3): from what is configured to a handshake. */
import type { NoiseSpec } from '../../engine/spec.ts';
import type { Handshake } from './codec.ts';
import { NoiseHandshake } from './noise-handshake.ts';
import { messageLengths, type NoisePattern, readPattern } from './noise-pattern.ts';
import { type KeyPair, keyPairFrom, type PublicKey, publicKeyFrom } from './noise-primitives.ts';
import { type NoiseRole, NoiseState } from './noise-state.ts';

const NO_PROLOGUE = Buffer.alloc(0);

/** What all handshakes of one specification share. */
interface Prepared {
  readonly pattern: NoisePattern;
  readonly lengths: readonly number[];
  readonly local: KeyPair;
  readonly remote: PublicKey | undefined;
}

const preparations = new WeakMap<NoiseSpec, Prepared>();

/** `ephemeral`: of tests, a private key instead of one made for this handshake. */
export function noiseHandshake(
  spec: NoiseSpec,
  role: NoiseRole,
  ephemeral?: Uint8Array,
): Handshake {
  const { pattern, lengths, local, remote } = prepared(spec);
  const known = role === 'initiator' ? pattern.responderKnown : pattern.initiatorKnown;
  const state = new NoiseState(pattern, role, {
    prologue: NO_PROLOGUE,
    local,
    remote: known ? remote : undefined,
    ephemeral: ephemeral && keyPairFrom(ephemeral),
  });
  return new NoiseHandshake({
    state,
    lengths,
    pattern: pattern.name,
    pinned: spec.remotePublicKey,
  });
}

/** Importing a private key costs more than a handshake: once per specification. */
function prepared(spec: NoiseSpec): Prepared {
  const known = preparations.get(spec);
  if (known !== undefined) return known;
  const pattern = readPattern(spec.pattern);
  const made = {
    pattern,
    lengths: messageLengths(pattern),
    local: keyPairFrom(spec.localPrivateKey),
    remote: spec.remotePublicKey && publicKeyFrom(spec.remotePublicKey),
  };
  preparations.set(spec, made);
  return made;
}
