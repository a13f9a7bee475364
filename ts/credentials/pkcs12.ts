/**
 * PKCS#12 archives (RFC 7292) in password mode, as `openssl pkcs12` writes them in all its
 * versions.
 *
 * node-forge reads BER and derives the MAC's key. Its own reader of archives is not used: it knows
 * no EC keys; here keys stay the PKCS#8 that they are.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Asn1, binary, bytesOf, child, octets, oid, parse, sequence } from './asn1.ts';
import { CredentialError } from './credential-error.ts';
import { forge } from './forge.ts';
import { KeyWork } from './key-work.ts';
import { decrypt, EXPORT_AGAIN, iterationsOf } from './pkcs12-encryption.ts';

export interface Pkcs12Content {
  /** PKCS#8, in the order of the archive. */
  readonly keys: readonly Uint8Array[];
  /** DER, in the order of the archive. */
  readonly certificates: readonly Uint8Array[];
}

const OID = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
} as const;

const DIGESTS: Readonly<Record<string, 'sha1' | 'sha256' | 'sha384' | 'sha512'>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
/** Purpose byte of RFC 7292 B.3. */
const FOR_MAC = 3;
/** Bags within bags. */
const MAX_DEPTH = 8;

const DAMAGED = 'the file is no PKCS#12 archive, or is damaged';
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
  const archive = parse(binary(bytes));
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
  const work = new KeyWork();
  const right = passwordForms(password).find((form) => macFits(macData, safe, form, work));
  if (right === undefined) {
    throw new CredentialError(
      'the password is wrong, or the archive is damaged',
      'compare pkcs12_password with `openssl pkcs12 -info -noout -in FILE`',
    );
  }
  const found = { keys: [] as Uint8Array[], certificates: [] as Uint8Array[] };
  for (const info of sequence(parse(safe))) {
    readBags(contentOf(info, right.text, work), { password: right.text, work }, found, MAX_DEPTH);
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

function macFits(macData: Asn1, safe: string, { forMac }: PasswordForm, work: KeyWork): boolean {
  const [digestInfo, salt, iterations] = sequence(macData);
  const [algorithm, digest] = sequence(digestInfo);
  const name = DIGESTS[oid(child(algorithm, 0))];
  if (name === undefined) {
    throw new CredentialError('the archive’s MAC algorithm is not known here', EXPORT_AGAIN);
  }
  const rounds = iterations === undefined ? 1 : iterationsOf(iterations);
  work.spend(rounds, name === 'sha1' || name === 'sha256' ? 1 : 3);
  const md = forge().md[name].create();
  const key = forge().pkcs12.generateKey(
    // Null is allowed and means no password; the types do not say so.
    forMac as string,
    forge().util.createBuffer(octets(salt)),
    FOR_MAC,
    rounds,
    md.digestLength,
    md,
  );
  const mac = createHmac(name, bytesOf(key.getBytes())).update(bytesOf(safe)).digest();
  const expected = bytesOf(octets(digest));
  return expected.length === mac.length && timingSafeEqual(expected, mac);
}

/** The SafeContents of a ContentInfo, decrypted. */
function contentOf(info: Asn1, password: string, work: KeyWork): Asn1 {
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
  return parse(decrypt(algorithm, octets(ciphertext), password, work));
}

function readBags(
  bags: Asn1,
  access: { readonly password: string; readonly work: KeyWork },
  found: { readonly keys: Uint8Array[]; readonly certificates: Uint8Array[] },
  depth: number,
): void {
  if (depth === 0) throw new TypeError('too deep');
  for (const bag of sequence(bags)) {
    const [type, wrapped] = sequence(bag);
    const value = child(wrapped, 0);
    switch (oid(type)) {
      case OID.keyBag:
        found.keys.push(bytesOf(forge().asn1.toDer(value).getBytes()));
        break;
      case OID.shroudedKeyBag: {
        const [algorithm, ciphertext] = sequence(value);
        const { password, work } = access;
        found.keys.push(bytesOf(decrypt(algorithm, octets(ciphertext), password, work)));
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
        readBags(value, access, found, depth - 1);
    }
  }
}
