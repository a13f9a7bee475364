/**
 * `host:port` texts: read as rathole reads them (Rust's `ToSocketAddrs` for strings), written back,
 * and compared numerically. No name is resolved here; that is done by whoever binds or dials.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { HostPort } from './config.ts';
import { asciiName } from './host-name.ts';
import { quote } from './key-path.ts';

const MAX_PORT = 65_535;

/** The address, or one sentence saying why the text is none. */
export type AddressResult =
  | { readonly ok: true; readonly address: HostPort }
  | { readonly ok: false; readonly reason: string };

/**
 * Splits `host:port` at its last colon.
 *
 * `[::1]:80` and the unbracketed `::1:80` both mean host `::1`; a port may have leading zeros and a
 * `+`. A name in other letters than ASCII becomes `xn--…`: rathole would not find it.
 */
export function parseAddress(text: string): AddressResult {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return refuse('has no port');
  const host = parseHost(text.slice(0, colon));
  if (!host.ok) return host;
  const portText = text.slice(colon + 1);
  if (portText === '') return refuse('has no port after the last colon');
  // `[::1]` alone: its last colon is inside the brackets.
  if (portText.endsWith(']')) return refuse('has no port after the bracket');
  if (!/^\+?\d+$/.test(portText))
    return refuse(`has a port that is not a number: ${quote(portText)}`);
  const port = Number(portText);
  if (port > MAX_PORT) return refuse(`has port ${port}, above ${MAX_PORT}`);
  return { ok: true, address: { host: host.host, port } };
}

type HostResult = { readonly ok: true; readonly host: string } | { ok: false; reason: string };

function parseHost(text: string): HostResult {
  if (text === '') return refuse('has no host before the colon');
  if (text.startsWith('[')) {
    const inner = text.slice(1, -1);
    if (!text.endsWith(']')) return refuse('has no port after the bracket');
    if (!isIPv6(inner))
      return refuse(`has brackets around ${quote(inner)}, which is no IPv6 address`);
    return { ok: true, host: inner };
  }
  const host = asciiName(text);
  if (host === undefined) return refuse(`has a host with characters no host has: ${quote(text)}`);
  if (host.includes(':') && !isIPv6(host))
    return refuse(`has a host that is no address: ${quote(text)}`);
  return { ok: true, host };
}

function refuse(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}

/** The text of an address, with brackets around an IPv6 literal. */
export function formatAddress(address: HostPort): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** How two addresses relate when both are to be bound. */
export type Overlap = 'same' | 'wildcard' | 'none';

/**
 * Whether two addresses are one numerically, or one is a wildcard on the other's port. Port 0
 * never.
 */
export function overlap(left: HostPort, right: HostPort): Overlap {
  if (left.port !== right.port || left.port === 0) return 'none';
  const a = canonicalHost(left.host);
  const b = canonicalHost(right.host);
  if (a === b) return 'same';
  const aIsWildcard = a === '0.0.0.0' || a === '::';
  const bIsWildcard = b === '0.0.0.0' || b === '::';
  if (!aIsWildcard && !bIsWildcard) return 'none';
  // 0.0.0.0 takes no IPv6 address; `::` takes both families unless bindv6only is set.
  if (a === '0.0.0.0' && b.includes(':') && b !== '::') return 'none';
  if (b === '0.0.0.0' && a.includes(':') && a !== '::') return 'none';
  return 'wildcard';
}

/** Whether what is sent there never leaves this machine. No name but `localhost` is known to be. */
export function isLoopback(host: string): boolean {
  const canonical = canonicalHost(host);
  return canonical === '::1' || canonical === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(canonical);
}

/**
 * One spelling per host: `127.1` is 127.0.0.1, `::ffff:1.2.3.4` is 1.2.3.4, names in lower case.
 */
export function canonicalHost(host: string): string {
  const bare = host.toLowerCase();
  if (isIPv4(bare)) return bare;
  const [address = '', zone] = bare.split('%');
  const url = isIPv6(address) ? parseUrlHost(`[${address}]`) : parseUrlHost(bare);
  if (url === undefined) return bare;
  const text = url.replace(/^\[|\]$/g, '');
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped !== null) return mappedToIPv4(mapped[1] ?? '', mapped[2] ?? '');
  return zone === undefined ? text : `${text}%${zone}`;
}

/**
 * WHATWG host parsing knows `inet_aton`'s short forms and compresses IPv6, all but byte for byte.
 */
function parseUrlHost(host: string): string | undefined {
  try {
    return new URL(`http://${host}/`).hostname;
  } catch {
    return undefined;
  }
}

function mappedToIPv4(high: string, low: string): string {
  const bits = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16);
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.');
}
