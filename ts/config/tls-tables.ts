/**
 * The files that a section's `tls` table names: where they are, what they hold, what is wrong with
 * them.
 *
 * A relative path is relative to the configuration file, as that of a token file is. Where nothing
 * is there it is relative to the working directory, as rathole has it.
 */
import { resolve } from 'node:path';
import {
  readTlsFiles,
  type TlsFileKey,
  type TlsFiles,
  type TlsFinding,
  type TlsPaths,
} from '../credentials/tls-files.ts';
import type { Role, TransportConfig } from './config.ts';
import { ConfigError, type Diagnostic, unplaced } from './diagnostics.ts';
import { formatPath, type KeyPath } from './key-path.ts';
import { ownValue, type RawTable, type Report, tableOf, textOf } from './report.ts';
import { SECRET_MASK } from './secret.ts';
import { errorCode, type FileSources, readWholeFile } from './sources.ts';

/** What a role reads; the rest of the table is the other role's. */
const USED: Readonly<Record<Role, readonly TlsFileKey[]>> = {
  server: ['pkcs12', 'cert', 'key', 'client_root'],
  client: ['pkcs12', 'cert', 'key', 'trusted_root'],
};

/** A `tls` table's files: where they are and what they hold. */
export interface ResolvedTls {
  readonly paths: TlsPaths;
  readonly files: TlsFiles;
}

/** By role; undefined where TLS is not used. */
export type ResolvedTlsTables = Readonly<Record<Role, ResolvedTls | undefined>>;

/** What is known of files that are another host's. */
const NOT_READ: TlsFiles = { identities: [], roots: [], digests: {} };

/**
 * Reads the files of each section whose transport uses TLS; reports what cannot be used. `only`:
 * those of this section; what the other one names need not be on this host.
 */
export function resolveTlsTables(
  raw: RawTable,
  sources: FileSources,
  report: Report,
  only?: Role,
): ResolvedTlsTables {
  const resolved = (role: Role): ResolvedTls | undefined => {
    const isRead = only === undefined || only === role;
    return resolveTable(role, raw, isRead ? sources : { base: sources.base }, report);
  };
  return { server: resolved('server'), client: resolved('client') };
}

/** Whether a raw `transport` table selects TLS, alone or below WebSocket. */
export function usesTls(transport: RawTable | undefined): boolean {
  const type = textOf(transport, 'type');
  const websocket = tableOf(ownValue(transport, 'websocket'));
  return type === 'tls' || (type === 'websocket' && ownValue(websocket, 'tls') === true);
}

/** Without a `readFile` nothing is read. */
type Sources = Pick<FileSources, 'base'> & Partial<FileSources>;

function resolveTable(
  role: Role,
  raw: RawTable,
  sources: Sources,
  report: Report,
): ResolvedTls | undefined {
  const transport = tableOf(ownValue(tableOf(ownValue(raw, role)), 'transport'));
  const tls = tableOf(ownValue(transport, 'tls'));
  if (tls === undefined || !usesTls(transport)) return undefined;
  const path: KeyPath = [role, 'transport', 'tls'];
  const paths: Partial<Record<TlsFileKey, string>> = {};
  for (const key of USED[role]) {
    const text = textOf(tls, key);
    if (text === undefined) continue;
    if (text === '') reportEmpty([...path, key], report);
    else if (isPasted(text)) reportPasted([...path, key], report);
    else paths[key] = locate(text, sources);
  }
  const { readFile } = sources;
  if (readFile === undefined) return { paths, files: NOT_READ };
  const { files, findings } = readTlsFiles({
    paths,
    pkcs12Password: textOf(tls, 'pkcs12_password') ?? '',
    wantsRoots: role === 'client',
    readFile,
    explain: errorCode,
  });
  for (const { severity, key, message, remedy } of findings) {
    // The caret belongs to the key that is to be changed; what stands there is the path.
    const found = paths[key] ?? '';
    const say = severity === 'error' ? report.error : report.warn;
    say([...path, key], undefined, { message, found, remedy });
  }
  return { paths, files };
}

/** The content of a file where its path belongs: it must not be printed. */
function isPasted(text: string): boolean {
  return text.includes('-----BEGIN') || text.includes('\n');
}

function reportPasted(path: KeyPath, report: Report): void {
  report.error(path, undefined, {
    message: 'the content of a file, not its path',
    found: SECRET_MASK,
    allowed: 'the path of a file',
    remedy: 'save it in a file, mode 0600, and write the path of that here',
  });
}

/** It would be the directory of the configuration. */
function reportEmpty(path: KeyPath, report: Report): void {
  report.error(path, '', {
    message: 'the path is empty',
    allowed: 'the path of a file',
    remedy: 'write the path, or remove the key',
  });
}

function locate(text: string, { base, readFile }: Sources): string {
  const beside = resolve(base, text);
  const here = resolve(text);
  if (readFile === undefined) return beside;
  if (beside === here || isThere(beside, readFile) || !isThere(here, readFile)) return beside;
  return here;
}

/** What cannot be read for another reason is there. */
function isThere(path: string, readFile: FileSources['readFile']): boolean {
  try {
    readFile(path);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}

/**
 * The same transport with its files read again.
 * @throws WARREN_E_CONFIG with everything that is wrong with them now.
 */
export function renewedTransport(role: Role, transport: TransportConfig): TransportConfig {
  const { tls } = transport;
  if (tls === undefined) return transport;
  const { pkcs12, cert, key, trustedRoot, clientRoot } = tls;
  const all = { pkcs12, cert, key, trusted_root: trustedRoot, client_root: clientRoot };
  const paths: TlsPaths = Object.fromEntries(
    Object.entries(all).filter(([, path]) => path !== undefined),
  );
  const { files, findings } = readTlsFiles({
    paths,
    pkcs12Password: tls.pkcs12Password?.reveal() ?? '',
    wantsRoots: role === 'client',
    readFile: readWholeFile,
    explain: errorCode,
  });
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new ConfigError(errors.map((error) => diagnosticOf(error, paths)));
  return { ...transport, tls: { ...tls, files } };
}

function diagnosticOf({ severity, key, message, remedy }: TlsFinding, paths: TlsPaths): Diagnostic {
  const path = ['transport', 'tls', key];
  const problem = { severity, path, at: 'key', message, found: '', allowed: '', remedy } as const;
  return unplaced(problem, paths[key] ?? '', formatPath(path));
}
