/** What node:tls says about a failed handshake, in our reasons and in words that help. */
import type { X509Certificate } from 'node:crypto';
import { errorText } from '../../errors.ts';
import { RefusedError } from './codec.ts';
import { shown } from './http-head.ts';

export type TlsRole = 'client' | 'server';

const NAMES_MAX_CHARS = 300;
/** A peer's chain is walked no further. */
const CHAIN_MAX = 10;

/** Alerts (RFC 8446 6.2) about a certificate of ours. */
const CERTIFICATE_ALERTS: ReadonlySet<string> = new Set([
  'bad certificate',
  'unsupported certificate',
  'certificate revoked',
  'certificate expired',
  'certificate unknown',
  'unknown ca',
  'certificate required',
]);

/** What OpenSSL says of bytes that are not TLS. */
const NOT_TLS =
  /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTPS?_(PROXY_)?REQUEST|BAD_RECORD_TYPE/;
const NO_VERSION = /UNSUPPORTED_PROTOCOL|WRONG_SSL_VERSION|VERSION_TOO_LOW/;

interface TlsError {
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly cert?: { readonly subjectaltname?: string; readonly subject?: { CN?: unknown } };
}

/** The alert that the peer ended TLS with, in the words of the RFC. */
export function alertOf(error: unknown): string | undefined {
  const { code } = error as TlsError;
  const match = typeof code === 'string' ? /^ERR_SSL_.*ALERT_(.+)$/.exec(code) : null;
  return match?.[1]?.replaceAll('_', ' ').toLowerCase();
}

/**
 * What a peer's alert refuses, `late` behind both handshakes: then only our certificate. Before,
 * with TLS 1.3, the peer's handshake may go on when ours is done.
 */
export function refusalByAlert(
  error: unknown,
  role: TlsRole,
  late: boolean,
): RefusedError | undefined {
  const alert = alertOf(error);
  if (alert === undefined) return undefined;
  const peer = role === 'client' ? 'server' : 'client';
  if (CERTIFICATE_ALERTS.has(alert)) {
    const text =
      alert === 'certificate required'
        ? `the ${peer} wants a certificate of ours and there is none`
        : `the ${peer} did not accept our certificate: ${alert}`;
    return new RefusedError('certificate_refused', text);
  }
  return late
    ? undefined
    : new RefusedError('tls_failed', `the ${peer} ended the TLS handshake: ${alert}`);
}

/** `wanted`: of a client, the name that it looked for; `peer`: what the other side showed. */
export function refusalOf(
  error: unknown,
  { role, wanted, peer }: { role: TlsRole; wanted: string; peer: X509Certificate | undefined },
): RefusedError {
  const other = role === 'client' ? 'server' : 'client';
  const { code: anyCode, reason, cert } = error as TlsError;
  const code = typeof anyCode === 'string' ? anyCode : '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const found = namesOf(cert?.subjectaltname, cert?.subject?.CN);
    const text = `the server's certificate is not for "${wanted}" but for ${found}`;
    return new RefusedError('certificate_refused', text);
  }
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') {
    return new RefusedError('certificate_refused', 'the client showed no certificate');
  }
  if (!code.startsWith('ERR_')) {
    return isSystemCode(code)
      ? new RefusedError('handshake_eof', `the TLS handshake broke off: ${errorText(error)}`)
      : new RefusedError('certificate_refused', untrusted(code, errorText(error), other, peer));
  }
  if (NO_VERSION.test(code) || alertOf(error) === 'protocol version') {
    return new RefusedError('tls_failed', `the ${other} speaks neither TLS 1.2 nor TLS 1.3`);
  }
  const byAlert = refusalByAlert(error, role, false);
  if (byAlert !== undefined) return byAlert;
  if (NOT_TLS.test(code)) {
    return new RefusedError('tls_failed', `what the ${other} sent is not TLS`);
  }
  const why = typeof reason === 'string' ? reason : errorText(error);
  return new RefusedError('tls_failed', `the TLS handshake failed: ${why}`);
}

/** ECONNRESET and the like; OpenSSL's own codes of certificates have underscores. */
function isSystemCode(code: string): boolean {
  return code === '' || /^E[A-Z0-9]+$/.test(code);
}

function untrusted(
  code: string,
  message: string,
  other: string,
  leaf: X509Certificate | undefined,
): string {
  const whose = `the ${other}'s certificate`;
  if (leaf === undefined) return `${whose} was not accepted: ${message}`;
  const chain = chainOf(leaf);
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    const now = Date.now();
    const bad = chain.find((one) => now < fromOf(one) || now > untilOf(one)) ?? leaf;
    const dates = `valid from ${day(fromOf(bad))} to ${day(untilOf(bad))}`;
    const what = code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet';
    const which = bad === leaf ? whose : `in the chain of ${whose}, that`;
    return `${which} of "${nameOf(bad.subject)}" ${what}: ${dates}`;
  }
  const top = chain[chain.length - 1] ?? leaf;
  return (
    `${whose} of "${nameOf(leaf.subject)}" was not accepted (${message}): ` +
    `its issuer "${nameOf(top.issuer)}" is not among the trusted roots`
  );
}

function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (
    let one: X509Certificate | undefined = leaf;
    one !== undefined && chain.length < CHAIN_MAX;
    one = one.issuerCertificate
  ) {
    chain.push(one);
  }
  return chain;
}

function fromOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validFrom);
}

function untilOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo);
}

function day(time: number): string {
  return Number.isNaN(time) ? 'an unreadable date' : new Date(time).toISOString().slice(0, 10);
}

function nameOf(distinguished: string | undefined): string {
  return shown((distinguished ?? '').replaceAll('\n', ', '));
}

/** `DNS:a, IP Address:192.0.2.1` as `a, 192.0.2.1`. */
function namesOf(alternatives: string | undefined, commonName: unknown): string {
  if (alternatives !== undefined && alternatives !== '') {
    return shown(alternatives.replaceAll(/(DNS|IP Address):/g, ''), NAMES_MAX_CHARS);
  }
  return typeof commonName === 'string' ? shown(commonName) : 'no name';
}
