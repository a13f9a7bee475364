/**
 * PKCS#12 archives (RFC 7292) in password mode, as `openssl pkcs12` writes them in all its versions.
 *
 * node-forge reads BER, derives PKCS#12 keys and has the old ciphers that OpenSSL 3 no longer loads
 * (RC2, and 3DES with them). Two things are ours. PBES2 is done by node:crypto: forge takes a
 * password for Latin-1 there, where OpenSSL means UTF-8, and derives the key in JavaScript. And keys
 * stay the PKCS#8 that they are: forge knows no EC keys.
 */
import { createDecipheriv, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import forge from 'node-forge';
import { CredentialError } from './credential-error.ts';

export interface Pkcs12Content {
  /** PKCS#8, in the order of the archive. */
  readonly keys: readonly Uint8Array[];
  /** DER, in the order of the archive. */
  readonly certificates: readonly Uint8Array[];
}

type Asn1 = forge.asn1.Asn1;

const OID = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
} as const;

const DIGESTS: Readonly<Record<string, 'sha1' | 'sha256' | 'sha384' | 'sha512'>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
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
/** Purpose byte of RFC 7292 B.3. */
const FOR_MAC = 3;
/** Some seconds of work; whoever asks for more has a broken file. */
const MAX_ITERATIONS = 1_000_000;
/** Bags within bags. */
const MAX_DEPTH = 8;

const DAMAGED = 'the file is no PKCS#12 archive, or is damaged';
const EXPORT_AGAIN = 'make it with `openssl pkcs12 -export -inkey KEY -in CERT -out FILE`';

/**
 * Everything in an archive, once its MAC has shown that password and content are right.
 * @throws CredentialError
 */
export function readPkcs12(bytes: Uint8Array, password: string): Pkcs12Content {
  try {
    return readArchive(bytes, password);
  } catch (error) {
    if (error instanceof CredentialError) throw error;
    throw new CredentialError(DAMAGED, EXPORT_AGAIN, { cause: error });
  }
}

function readArchive(bytes: Uint8Array, password: string): Pkcs12Content {
  const archive = forge.asn1.fromDer(binary(bytes), false);
  const [, authSafe, macData] = sequence(archive);
  const [type, content] = sequence(authSafe);
  if (oid(type) !== OID.data) {
    throw new CredentialError('the archive is signed, not protected by a password', EXPORT_AGAIN);
  }
  const safe = octets(child(content, 0));
  if (macData === undefined) {
    throw new CredentialError(
      'the archive has no MAC, so nothing shows whether it was tampered with',
      EXPORT_AGAIN,
    );
  }
  const right = passwordForms(password).find((form) => macFits(macData, safe, form));
  if (right === undefined) {
    throw new CredentialError(
      'the password is wrong, or the archive is damaged',
      'compare pkcs12_password with `openssl pkcs12 -info -noout -in FILE`',
    );
  }
  const found = { keys: [] as Uint8Array[], certificates: [] as Uint8Array[] };
  for (const info of sequence(parse(safe))) {
    readBags(contentOf(info, right.text), right.text, found, MAX_DEPTH);
  }
  return found;
}

/** A password in both of its forms: text, and null where an empty one may mean none at all. */
interface PasswordForm {
  readonly text: string;
  readonly forMac: string | null;
}

function passwordForms(text: string): PasswordForm[] {
  const given = { text, forMac: text };
  return text === '' ? [given, { text, forMac: null }] : [given];
}

function macFits(macData: Asn1, safe: string, { forMac }: PasswordForm): boolean {
  const [digestInfo, salt, iterations] = sequence(macData);
  const [algorithm, digest] = sequence(digestInfo);
  const name = DIGESTS[oid(child(algorithm, 0))];
  if (name === undefined) {
    throw new CredentialError('the archive’s MAC algorithm is not known here', EXPORT_AGAIN);
  }
  const md = forge.md[name].create();
  const key = forge.pkcs12.generateKey(
    // Null is allowed and means no password; the types do not say so.
    forMac as string,
    forge.util.createBuffer(octets(salt)),
    FOR_MAC,
    iterations === undefined ? 1 : count(iterations),
    md.digestLength,
    md,
  );
  const mac = createHmac(name, bytesOf(key.getBytes())).update(bytesOf(safe)).digest();
  const expected = bytesOf(octets(digest));
  return expected.length === mac.length && timingSafeEqual(expected, mac);
}

/** The SafeContents of a ContentInfo, decrypted. */
function contentOf(info: Asn1, password: string): Asn1 {
  const [type, content] = sequence(info);
  const inner = child(content, 0);
  if (oid(type) === OID.data) return parse(octets(inner));
  if (oid(type) !== OID.encryptedData) {
    throw new CredentialError(
      'the archive is encrypted for a key, not by a password',
      EXPORT_AGAIN,
    );
  }
  const [, encrypted] = sequence(inner);
  const [, algorithm, ciphertext] = sequence(encrypted);
  return parse(decrypt(algorithm, octets(ciphertext), password));
}

function readBags(
  bags: Asn1,
  password: string,
  found: { readonly keys: Uint8Array[]; readonly certificates: Uint8Array[] },
  depth: number,
): void {
  if (depth === 0) throw new TypeError('too deep');
  for (const bag of sequence(bags)) {
    const [type, wrapped] = sequence(bag);
    const value = child(wrapped, 0);
    switch (oid(type)) {
      case OID.keyBag:
        found.keys.push(bytesOf(forge.asn1.toDer(value).getBytes()));
        break;
      case OID.shroudedKeyBag: {
        const [algorithm, ciphertext] = sequence(value);
        found.keys.push(bytesOf(decrypt(algorithm, octets(ciphertext), password)));
        break;
      }
      case OID.certBag: {
        const [kind, certificate] = sequence(value);
        if (oid(kind) === OID.x509Certificate) {
          found.certificates.push(bytesOf(octets(child(certificate, 0))));
        }
        break;
      }
      case OID.safeContentsBag:
        readBags(value, password, found, depth - 1);
    }
  }
}

function decrypt(algorithm: Asn1 | undefined, ciphertext: string, password: string): string {
  const [id, parameters] = sequence(algorithm);
  const name = oid(id);
  if (name === OID.pbes2) return decryptPbes2(sequence(parameters), ciphertext, password);
  const cipher = pbeCipher(name, parameters, password);
  cipher.update(forge.util.createBuffer(ciphertext));
  if (!cipher.finish()) throw new TypeError('bad padding');
  return cipher.output.getBytes();
}

/** Exported by forge, unknown to its types. */
const { pbe } = forge.pki as unknown as {
  readonly pbe: {
    getCipher(
      oid: string,
      parameters: Asn1 | undefined,
      password: string,
    ): forge.cipher.BlockCipher;
  };
};

function pbeCipher(name: string, parameters: Asn1 | undefined, password: string) {
  count(sequence(parameters)[1]);
  try {
    return pbe.getCipher(name, parameters, password);
  } catch (cause) {
    throw new CredentialError('the archive’s encryption is not known here', EXPORT_AGAIN, {
      cause,
    });
  }
}

/** RFC 8018: the key by PBKDF2 from the password in UTF-8, the cipher in CBC mode. */
function decryptPbes2(parameters: readonly Asn1[], ciphertext: string, password: string): string {
  const [derivation, scheme] = parameters;
  const [kdf, kdfParameters] = sequence(derivation);
  const [cipherId, iv] = sequence(scheme);
  const [salt, iterations, ...rest] = sequence(kdfParameters);
  const prf = rest.find(({ type }) => type === forge.asn1.Type.SEQUENCE);
  const digest = PRFS[prf === undefined ? '1.2.840.113549.2.7' : oid(child(prf, 0))];
  const [cipher, keyLength] = CIPHERS[oid(cipherId)] ?? [];
  if (oid(kdf) !== OID.pbkdf2 || digest === undefined || keyLength === undefined) {
    throw new CredentialError('the archive’s encryption is not known here', EXPORT_AGAIN);
  }
  const secret = Buffer.from(password, 'utf8');
  const key = pbkdf2Sync(secret, bytesOf(octets(salt)), count(iterations), keyLength, digest);
  const decipher = createDecipheriv(cipher ?? '', key, bytesOf(octets(iv)));
  return Buffer.concat([decipher.update(bytesOf(ciphertext)), decipher.final()]).toString('latin1');
}

function parse(der: string): Asn1 {
  return forge.asn1.fromDer(der, false);
}

function sequence(value: Asn1 | undefined): readonly Asn1[] {
  if (value === undefined || !Array.isArray(value.value)) throw new TypeError('no sequence');
  return value.value as Asn1[];
}

function child(value: Asn1 | undefined, index: number): Asn1 {
  const found = sequence(value)[index];
  if (found === undefined) throw new TypeError('nothing there');
  return found;
}

function oid(value: Asn1 | undefined): string {
  if (typeof value?.value !== 'string') throw new TypeError('no object identifier');
  return forge.asn1.derToOid(value.value);
}

/** An OCTET STRING in one piece; BER may write it in several. */
function octets(value: Asn1 | undefined): string {
  if (value === undefined) throw new TypeError('no octets');
  return typeof value.value === 'string' ? value.value : value.value.map(octets).join('');
}

function count(value: Asn1 | undefined): number {
  const number = Number(`0x${Buffer.from(octets(value), 'latin1').toString('hex')}`);
  if (!(number >= 1 && number <= MAX_ITERATIONS)) throw new TypeError('iterations');
  return number;
}

/** forge's strings have one byte in each character. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
