/**
 * What node:tls needs for one `TlsSpec`, made once per specification: reading certificates and keys
 * costs more than a handshake. A renewed specification has its own keys for session tickets, too:
 * after it, every peer sees the new certificate and has its own checked again.
 */
import { constants } from 'node:crypto';
import tls from 'node:tls';
import type { TlsSpec } from '../../engine/spec.ts';
import { TlsSessions } from './tls-sessions.ts';

/**
 * All with forward secrecy and AEAD; ECDSA first, which costs a server a tenth of what RSA does.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** How long a session may be resumed. */
const SESSION_LIFETIME_SECONDS = 7_200;

const COMMON: tls.SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: CIPHERS,
  sessionTimeout: SESSION_LIFETIME_SECONDS,
  // A root may be any certificate that the operator trusts, also one that another has issued.
  allowPartialTrustChain: true,
};

export interface ClientContext {
  readonly context: tls.SecureContext;
  readonly sessions: TlsSessions;
}

const serverContexts = new WeakMap<TlsSpec, tls.SecureContext>();
const clientContexts = new WeakMap<TlsSpec, ClientContext>();

export function serverContext(spec: TlsSpec): tls.SecureContext {
  const known = serverContexts.get(spec);
  if (known !== undefined) return known;
  const made = tls.createSecureContext({
    ...COMMON,
    ...identityOptions(spec.identities),
    ...(spec.roots.length > 0 && { ca: spec.roots.map(certificatePem) }),
    honorCipherOrder: true,
    // Clients without AES hardware put ChaCha first: they know best.
    secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA,
    // Without one, sessions of clients that showed a certificate are not resumed.
    sessionIdContext: 'warren',
  });
  serverContexts.set(spec, made);
  return made;
}

export function clientContext(spec: TlsSpec): ClientContext {
  const known = clientContexts.get(spec);
  if (known !== undefined) return known;
  const context = tls.createSecureContext({
    ...COMMON,
    ...identityOptions(spec.identities.slice(0, 1)),
    ca: spec.roots.map(certificatePem),
  });
  const made = { context, sessions: new TlsSessions() };
  clientContexts.set(spec, made);
  return made;
}

function identityOptions(identities: TlsSpec['identities']): tls.SecureContextOptions {
  if (identities.length === 0) return {};
  return {
    cert: identities.map(({ chain }) => chain.map(certificatePem).join('')),
    key: identities.map(({ key }) => pem('PRIVATE KEY', key)),
  };
}

function certificatePem(der: Uint8Array): string {
  return pem('CERTIFICATE', der);
}

function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
