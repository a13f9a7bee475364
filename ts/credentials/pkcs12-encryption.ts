/**
 * The encryptions of PKCS#12: PBES2 (RFC 8018), and the older ones with keys by RFC 7292.
 *
 * The older ones (RC2, 3DES) are node-forge's: OpenSSL 3 no longer loads RC2. PBES2 is
 * node:crypto's: forge takes a password for Latin-1 there, where OpenSSL means UTF-8, and derives
 * the key in JavaScript.
 */
import { createDecipheriv, pbkdf2Sync } from 'node:crypto';
import type Forge from 'node-forge';
import { type Asn1, bytesOf, child, count, octets, oid, sequence } from './asn1.ts';
import { CredentialError } from './credential-error.ts';
import { forge } from './forge.ts';
import type { KeyWork } from './key-work.ts';

/** What to do about an archive that cannot be read. */
export const EXPORT_AGAIN = 'make it with `openssl pkcs12 -export -inkey KEY -in CERT -out FILE`';

const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const PRFS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const CIPHERS: Readonly<Record<string, readonly [name: string, keyLength: number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
  '1.2.840.113549.3.7': ['des-ede3-cbc', 24],
};

/** The iteration count of a key derivation. */
export function iterationsOf(value: Asn1 | undefined): number {
  return count(value, Number.POSITIVE_INFINITY);
}

/** @throws CredentialError for an algorithm that is not known here. */
export function decrypt(
  algorithm: Asn1 | undefined,
  ciphertext: string,
  password: string,
  work: KeyWork,
): string {
  const [id, parameters] = sequence(algorithm);
  const name = oid(id);
  if (name === PBES2) return decryptPbes2(sequence(parameters), ciphertext, password, work);
  const iterations = iterationsOf(sequence(parameters)[1]);
  // The key, and the initialization vector.
  work.spend(2 * iterations, 1);
  const cipher = pbeCipher(name, parameters, password);
  cipher.update(forge().util.createBuffer(ciphertext));
  if (!cipher.finish()) throw new TypeError('bad padding');
  return cipher.output.getBytes();
}

/** What forge exports and its types do not know. */
interface WithPbe {
  readonly pbe: {
    getCipher(
      oid: string,
      parameters: Asn1 | undefined,
      password: string,
    ): Forge.cipher.BlockCipher;
  };
}

function pbeCipher(
  name: string,
  parameters: Asn1 | undefined,
  password: string,
): Forge.cipher.BlockCipher {
  const { pbe } = forge().pki as unknown as WithPbe;
  try {
    return pbe.getCipher(name, parameters, password);
  } catch (cause) {
    throw new CredentialError('the archive’s encryption is not known here', EXPORT_AGAIN, {
      cause,
    });
  }
}

/** RFC 8018: the key by PBKDF2 from the password in UTF-8, the cipher in CBC mode. */
function decryptPbes2(
  parameters: readonly Asn1[],
  ciphertext: string,
  password: string,
  work: KeyWork,
): string {
  const [derivation, scheme] = parameters;
  const [kdf, kdfParameters] = sequence(derivation);
  const [cipherId, iv] = sequence(scheme);
  const [salt, iterations, ...rest] = sequence(kdfParameters);
  const prf = rest.find(({ type }) => type === forge().asn1.Type.SEQUENCE);
  const digest = PRFS[prf === undefined ? '1.2.840.113549.2.7' : oid(child(prf, 0))];
  const [cipher, keyLength] = CIPHERS[oid(cipherId)] ?? [];
  if (oid(kdf) !== PBKDF2 || digest === undefined || keyLength === undefined) {
    throw new CredentialError('the archive’s encryption is not known here', EXPORT_AGAIN);
  }
  const rounds = iterationsOf(iterations);
  work.spend(rounds, 0.25);
  const secret = Buffer.from(password, 'utf8');
  const key = pbkdf2Sync(secret, bytesOf(octets(salt)), rounds, keyLength, digest);
  const decipher = createDecipheriv(cipher ?? '', key, bytesOf(octets(iv)));
  return Buffer.concat([decipher.update(bytesOf(ciphertext)), decipher.final()]).toString('latin1');
}
