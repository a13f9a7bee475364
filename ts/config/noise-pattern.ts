/** Noise pattern names and keys: which can work here, and which keys a pattern wants from whom. */

/** What a pattern asks of the configuration. */
export interface NoisePattern {
  /** The initiator (client) must know the server's public key beforehand. */
  readonly clientNeedsPeerKey: boolean;
  /** The responder (server) must know the client's public key beforehand. */
  readonly serverNeedsPeerKey: boolean;
  /** Whether each side has a key of its own, known or transmitted. */
  readonly clientHasKey: boolean;
  readonly serverHasKey: boolean;
}

/**
 * Two-way patterns, fundamental and deferred, over X25519. Not one-way ones (the server could not
 * answer), nor psk and fallback modifiers (rathole fails at the handshake), nor 448.
 */
const PATTERN =
  /^Noise_(?:N|[XKI]1?)(?:N|[KX]1?)_25519_(?:ChaChaPoly|AESGCM)_(?:SHA256|SHA512|BLAKE2s|BLAKE2b)$/;

/** What `pattern` may be, for messages. */
export const NOISE_PATTERN_ALLOWED: string =
  'Noise_<pattern>_25519_<cipher>_<hash>: a two-way pattern such as NK, XX, KK or IK; ' +
  'ChaChaPoly or AESGCM; SHA256, SHA512, BLAKE2s or BLAKE2b';

/** Reads a pattern's name; undefined if no handshake could come of it. */
export function parseNoisePattern(name: string): NoisePattern | undefined {
  if (!PATTERN.test(name)) return undefined;
  const [client, server] = (name.split('_')[1] ?? '').replaceAll('1', '');
  return {
    clientNeedsPeerKey: server === 'K',
    serverNeedsPeerKey: client === 'K',
    clientHasKey: client !== 'N',
    serverHasKey: server !== 'N',
  };
}

/** Whether a text is 32 bytes in standard Base64, padded or not, as rathole's decoder wants it. */
export function isNoiseKey(text: string): boolean {
  if (!/^[A-Za-z0-9+/]{43}=?$/.test(text)) return false;
  // 43 letters hold 258 bits: the last two must be zero, or two texts would mean one key.
  return Buffer.from(text, 'base64').toString('base64') === text.padEnd(44, '=');
}
