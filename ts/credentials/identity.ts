/** A certificate with its private key, from whatever files they come in. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { chainOf } from './certificates.ts';
import { CredentialError } from './credential-error.ts';

export interface Identity {
  /** DER; the leaf first, then what links it to its root. */
  readonly chain: readonly Uint8Array[];
  /** Printed in any way it shows nothing of itself. */
  readonly key: KeyObject;
}

/** An identity and its own certificate, whose dates are to be looked at. */
export interface CheckedIdentity {
  readonly identity: Identity;
  readonly leaf: X509Certificate;
}

/** @throws CredentialError when the key belongs to none of the certificates. */
export function identityOf(
  certificates: readonly X509Certificate[],
  key: KeyObject,
  where: { readonly certificate: string; readonly key: string },
): CheckedIdentity {
  const chain = chainOf(certificates, key);
  const leaf = chain?.[0];
  if (chain === undefined || leaf === undefined) {
    throw new CredentialError(
      `the private key in ${where.key} does not belong to a certificate in ${where.certificate}`,
      'put the certificate and the key that were made for each other side by side',
    );
  }
  return { identity: { chain: chain.map(({ raw }) => raw), key }, leaf };
}
