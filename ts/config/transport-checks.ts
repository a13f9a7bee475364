/** What the `transport` table must hold for the transport it selects to work at all. */
import { isOfSmallOrder } from '../credentials/noise-keys.ts';
import type { Role } from './config.ts';
import type { KeyPath } from './key-path.ts';
import {
  isNoiseKey,
  NOISE_PATTERN_ALLOWED,
  type NoisePattern,
  parseNoisePattern,
} from './noise-pattern.ts';
import { maskProxyText, parseProxy } from './proxy.ts';
import { ownValue, type RawTable, type Report, tableOf, textOf } from './report.ts';
import { DEFAULT_NOISE_PATTERN } from './schema.ts';
import { checkTls } from './tls-checks.ts';
import { checkWebsocketTable } from './websocket-checks.ts';

/** Checks one section's transport. Tables of transports that are not selected mean nothing. */
export function checkTransport(role: Role, section: RawTable, report: Report): void {
  const transport = tableOf(ownValue(section, 'transport'));
  if (transport === undefined) return;
  const path: KeyPath = [role, 'transport'];
  const type = textOf(transport, 'type');
  if (type === 'tls') checkTlsTable(role, transport, path, report);
  if (type === 'noise') checkNoise(role, transport, path, report);
  if (type === 'websocket') checkWebsocket(role, transport, path, report);
  const tcp = tableOf(ownValue(transport, 'tcp'));
  if (tcp !== undefined) checkProxy(role, tcp, [...path, 'tcp', 'proxy'], report);
}

function checkWebsocket(role: Role, transport: RawTable, path: KeyPath, report: Report): void {
  const websocket = requireTable('websocket', transport, path, report);
  if (websocket === undefined) return;
  checkWebsocketTable(role, websocket, [...path, 'websocket'], report);
  if (ownValue(websocket, 'tls') === true) checkTlsTable(role, transport, path, report);
}

function checkTlsTable(role: Role, transport: RawTable, path: KeyPath, report: Report): void {
  const tls = requireTable('tls', transport, path, report);
  if (tls !== undefined) checkTls(role, tls, [...path, 'tls'], report);
}

/** The table of the selected transport; it is an error if it is missing. */
function requireTable(
  key: string,
  transport: RawTable,
  path: KeyPath,
  report: Report,
): RawTable | undefined {
  const value = ownValue(transport, key);
  if (value === undefined) {
    report.error([...path, key], undefined, {
      message: `missing table: the selected transport needs [${path.join('.')}.${key}]`,
      found: 'no such table',
      allowed: 'a table',
      remedy:
        key === 'websocket'
          ? `add [${path.join('.')}.websocket] with \`tls = false\` or \`tls = true\``
          : `add [${path.join('.')}.${key}]`,
    });
  }
  return tableOf(value);
}

function checkNoise(role: Role, transport: RawTable, path: KeyPath, report: Report): void {
  const noise = requireTable('noise', transport, path, report);
  if (noise === undefined) return;
  const table = [...path, 'noise'];
  for (const key of ['local_private_key', 'remote_public_key']) {
    const value = textOf(noise, key);
    if (value === undefined) continue;
    if (!isNoiseKey(value)) {
      report.error([...table, key], value, {
        message: 'not a Noise key',
        allowed: '32 bytes in Base64: 43 letters and an optional =',
        remedy: 'make a pair of keys, for example with `warren genkey`',
      });
    } else if (key === 'remote_public_key' && isOfSmallOrder(Buffer.from(value, 'base64'))) {
      report.error([...table, key], value, {
        message: 'a key that nobody can have: with it every secret would be zero',
        allowed: 'the public key of the other side',
        remedy: 'copy it from there, or make a pair with `warren genkey`',
      });
    }
  }
  const given = ownValue(noise, 'pattern');
  const name = given === undefined ? DEFAULT_NOISE_PATTERN : given;
  if (typeof name !== 'string') return;
  const pattern = parseNoisePattern(name);
  if (pattern === undefined) {
    report.error([...table, 'pattern'], name, {
      message: 'not a usable Noise pattern',
      allowed: NOISE_PATTERN_ALLOWED,
      remedy: `leave it out for ${DEFAULT_NOISE_PATTERN}`,
    });
    return;
  }
  checkNoiseKeys(role, pattern, noise, table, report);
}

function checkNoiseKeys(
  role: Role,
  pattern: NoisePattern,
  noise: RawTable,
  table: KeyPath,
  report: Report,
): void {
  const needsPeer = role === 'client' ? pattern.clientNeedsPeerKey : pattern.serverNeedsPeerKey;
  const peer = role === 'client' ? 'server' : 'client';
  const hasPeerKey = ownValue(noise, 'remote_public_key') !== undefined;
  if (hasPeerKey && !(role === 'client' ? pattern.serverHasKey : pattern.clientHasKey)) {
    report.warn([...table, 'remote_public_key'], undefined, {
      message: `with this pattern a ${peer} has no key: nothing is compared, any ${peer} is taken`,
      found: 'a public key',
      remedy: 'take a pattern in which it has one, such as Noise_KK_…, or remove the key',
    });
  }
  if (needsPeer && !hasPeerKey) {
    report.error([...table, 'remote_public_key'], undefined, {
      message: `missing key: this pattern needs the ${peer}’s public key`,
      found: 'no such key',
      allowed: 'a string, 32 bytes in Base64',
      remedy: `add the ${peer}’s public key; \`warren genkey\` makes a pair`,
    });
  }
  const peerMustKnowUs =
    role === 'client' ? pattern.serverNeedsPeerKey : pattern.clientNeedsPeerKey;
  if (peerMustKnowUs && ownValue(noise, 'local_private_key') === undefined) {
    report.warn([...table, 'local_private_key'], undefined, {
      message: `missing key: a random one is made at each start, which no ${peer} can know`,
      found: 'no such key',
      allowed: 'a string, 32 bytes in Base64',
      remedy: `make a pair, for example with \`warren genkey\`, and give the ${peer} the public key`,
    });
  }
}

const PROXY_FAULTS = {
  url: 'not a URL',
  scheme: 'unknown proxy scheme',
  host: 'a URL without a host',
  name: 'a host with characters no host has',
  port: 'port 0 cannot be dialled',
  credentials: 'SOCKS 5 has no more than 255 bytes for a user name, and for a password',
} as const;

function checkProxy(role: Role, tcp: RawTable, path: KeyPath, report: Report): void {
  const text = textOf(tcp, 'proxy');
  if (text === undefined) return;
  const found = `a string, "${maskProxyText(text)}"`;
  const result = parseProxy(text);
  const isUseless = !result.ok && result.fault !== 'url' && result.fault !== 'scheme';
  if (!result.ok && !(role === 'server' && isUseless)) {
    report.error(path, text, {
      message: PROXY_FAULTS[result.fault],
      found,
      allowed: 'socks5://[user:password@]host[:port] or http://[user:password@]host[:port]',
      remedy: 'for example "socks5://127.0.0.1:1080"',
    });
  } else if (role === 'server') {
    report.warn(path, text, {
      message: 'a server does not use a proxy',
      found,
      remedy: 'remove it, or move it to [client.transport.tcp]',
    });
  }
}
