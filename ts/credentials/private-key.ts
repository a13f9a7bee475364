/** Private keys of certificates: read, judged, and turned into PKCS#8. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CredentialError } from './credential-error.ts';
import { pemBlocks } from './pem.ts';

const LABELS: ReadonlySet<string> = new Set(['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY']);
const DECRYPT = 'decrypt it with `openssl pkey -in FILE -out NEW`, or use pkcs12 and its password';
/** What both engines can sign with (ring sets the bounds). */
const CURVES: ReadonlySet<unknown> = new Set(['prime256v1', 'secp384r1']);
const RSA_BITS = { min: 2_048, max: 4_096 };

/**
 * The private key of a PEM file: PKCS#8, PKCS#1 or SEC1, not encrypted.
 * @throws CredentialError
 */
export function privateKeyOf(pem: Uint8Array): KeyObject {
  const blocks = pemBlocks(pem);
  const block = blocks.find(({ label }) => LABELS.has(label));
  const isEncrypted = (label: string, text: string) =>
    label === 'ENCRYPTED PRIVATE KEY' || text.includes('ENCRYPTED');
  if (block === undefined || isEncrypted(block.label, block.text)) {
    if (blocks.some(({ label, text }) => isEncrypted(label, text))) {
      throw new CredentialError('the private key is encrypted', DECRYPT);
    }
    const others = blocks.map(({ label }) => label).join(', ');
    throw new CredentialError(
      others === ''
        ? 'the file is not PEM: it has no "-----BEGIN PRIVATE KEY-----"'
        : `there is no private key in the file, only: ${others}`,
      'give the PEM file of the private key; `openssl pkey -inform der -in FILE` turns DER into PEM',
    );
  }
  return checked(() => createPrivateKey(block.text));
}

/** The key of a PKCS#8 structure. @throws CredentialError */
export function privateKeyOfPkcs8(der: Uint8Array): KeyObject {
  return checked(() => createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' }));
}

/** PKCS#8, as engines want it. */
export function pkcs8Of(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'pkcs8' });
}

function checked(read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new CredentialError(
      'the private key in the file is damaged',
      'copy the file again, or make a new key and certificate',
      { cause },
    );
  }
  const fault = kindFault(key);
  if (fault === undefined) return key;
  throw new CredentialError(
    `${fault} cannot be used for TLS here`,
    'use RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519; P-256 is the fastest',
  );
}

function kindFault({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject) {
  if (type === 'ed25519') return undefined;
  if (type === 'ec') {
    return CURVES.has(details?.namedCurve) ? undefined : `a key on curve ${details?.namedCurve}`;
  }
  if (type !== 'rsa') return `a key of type ${type}`;
  const bits = details?.modulusLength ?? 0;
  return bits >= RSA_BITS.min && bits <= RSA_BITS.max ? undefined : `an RSA key of ${bits} bits`;
}
