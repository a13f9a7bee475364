/** `tcp.proxy`: a URL read into its parts, and its printed form without credentials. */
import type { ProxyConfig } from './config.ts';
import { asciiName } from './host-name.ts';
import { SECRET_MASK, Secret } from './secret.ts';

/** The proxy, or why the text is none. `scheme` tells a wrong scheme, which no side accepts. */
export type ProxyResult =
  | { readonly ok: true; readonly proxy: ProxyConfig }
  | {
      readonly ok: false;
      readonly fault: 'url' | 'scheme' | 'host' | 'name' | 'port' | 'credentials';
    };

/** Of a user name, and of a password (RFC 1929). */
const SOCKS5_MAX_BYTES = 255;
const DEFAULT_PORTS = { socks5: 1080, http: 80 } as const;

/** Reads a proxy URL. Credentials are percent-decoded; a missing port is the scheme's usual one. */
export function parseProxy(text: string): ProxyResult {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return { ok: false, fault: 'url' };
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'socks5' && scheme !== 'http') return { ok: false, fault: 'scheme' };
  if (url.hostname === '') return { ok: false, fault: 'host' };
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port);
  if (port === 0) return { ok: false, fault: 'port' };
  const host = asciiName(decode(url.hostname.replace(/^\[(.*)\]$/, '$1')));
  if (host === undefined) return { ok: false, fault: 'name' };
  const hasCredentials = url.username !== '' || url.password !== '';
  const username = decode(url.username);
  const password = decode(url.password);
  const isLong = [username, password].some((text) => Buffer.byteLength(text) > SOCKS5_MAX_BYTES);
  if (scheme === 'socks5' && isLong) return { ok: false, fault: 'credentials' };
  return {
    ok: true,
    proxy: {
      scheme,
      host,
      port,
      username: hasCredentials ? username : undefined,
      password: hasCredentials ? Secret.from(password) : undefined,
    },
  };
}

/** A stray `%` is meant as itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The URL with credentials masked; a text without a scheme is masked as a whole. */
export function maskProxyText(text: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)(?:.*@)?([^@]*)$/is.exec(text);
  if (match === null) return SECRET_MASK;
  const [, scheme = '', rest = ''] = match;
  return text.includes('@') ? `${scheme}${SECRET_MASK}@${rest}` : scheme + rest;
}

/** The printed form of a read proxy. */
export function formatProxy(proxy: ProxyConfig): string {
  const host = proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host;
  const credentials = proxy.username === undefined ? '' : `${SECRET_MASK}:${SECRET_MASK}@`;
  return `${proxy.scheme}://${credentials}${host}:${proxy.port}`;
}
