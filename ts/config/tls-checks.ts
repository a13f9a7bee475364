/** Which keys of a `tls` table go together, and which ones a role has a use for. */
import { isIP } from 'node:net';
import type { Role } from './config.ts';
import { asciiName } from './host-name.ts';
import type { KeyPath } from './key-path.ts';
import { ownValue, type RawTable, type Report, textOf } from './report.ts';

/** Checks the `tls` table at `path` of a section whose transport uses TLS. */
export function checkTls(role: Role, tls: RawTable, path: KeyPath, report: Report): void {
  const has = (key: string): boolean => ownValue(tls, key) !== undefined;
  const check: Check = { role, tls, path, report };
  const hasPem = has('cert') || has('key');
  if (hasPem) checkPair(['cert', 'key'], 'a certificate and its private key go together', check);
  const hasPkcs12 = has('pkcs12') || (role === 'server' && has('pkcs12_password'));
  if (hasPkcs12 || (role === 'server' && !hasPem)) {
    const why =
      role === 'server' && !hasPkcs12
        ? 'a TLS server needs its certificate and private key'
        : 'an archive and its password go together';
    checkPair(['pkcs12', 'pkcs12_password'], why, check);
  }
  if (role === 'server') {
    warnUseless('trusted_root', 'use `client_root` to ask clients for certificates', check);
    warnUseless('hostname', 'remove it, or move it to [client.transport.tls]', check);
  } else {
    warnUseless('client_root', 'use `trusted_root` for the server’s authority', check);
    checkHostname(textOf(tls, 'hostname'), [...path, 'hostname'], report);
  }
}

/** Labels of a name (RFC 1123), and the underscore that some have all the same. */
const NAME = /^(?!.{254})(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.|$))+$/;

function checkHostname(text: string | undefined, path: KeyPath, report: Report): void {
  if (text === undefined || isIP(text) > 0 || NAME.test(asciiName(text) ?? '')) return;
  report.error(path, text, {
    message: 'neither a name nor an IP address, so no certificate can have it',
    allowed: 'a name such as "tunnel.example.com", or an IP address without brackets; no port',
    remedy: 'write what stands in the server’s certificate',
  });
}

interface Check {
  readonly role: Role;
  readonly tls: RawTable;
  readonly path: KeyPath;
  readonly report: Report;
}

const ALLOWED: Readonly<Record<string, string>> = {
  cert: 'a string, the path of a PEM file',
  key: 'a string, the path of a PEM file',
  pkcs12: 'a string, the path of a PKCS#12 file',
  pkcs12_password: 'a string, empty for an archive without a password',
};

function checkPair(keys: readonly string[], why: string, { tls, path, report }: Check): void {
  for (const key of keys) {
    if (ownValue(tls, key) !== undefined) continue;
    const isPkcs12 = key.startsWith('pkcs12');
    report.error([...path, key], undefined, {
      message: `missing key: ${why}`,
      found: 'no such key',
      allowed: ALLOWED[key] ?? '',
      remedy:
        `add \`${key} = "…"\` to [${path.join('.')}]` +
        (isPkcs12 ? ', or use `cert` and `key` instead of an archive' : ''),
    });
  }
}

function warnUseless(key: string, remedy: string, { role, tls, path, report }: Check): void {
  const value = ownValue(tls, key);
  if (value === undefined) return;
  report.warn([...path, key], value, { message: `a ${role} does not use \`${key}\``, remedy });
}
