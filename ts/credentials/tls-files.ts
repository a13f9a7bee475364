/**
 * The files of a `tls` table, read and checked as a whole. It knows no configuration: which keys
 * there are and where each leads to is told; what is wrong is told back by key.
 */
import { createHash } from 'node:crypto';
import { certificatesOf, datesFault, isVersion3, parseCertificate } from './certificates.ts';
import { CredentialError } from './credential-error.ts';
import { type CheckedIdentity, type Identity, identityOf } from './identity.ts';
import { readPkcs12 } from './pkcs12.ts';
import { privateKeyOf, privateKeyOfPkcs8 } from './private-key.ts';
import { systemRoots } from './system-roots.ts';

/** The keys that name files. */
export type TlsFileKey = 'pkcs12' | 'cert' | 'key' | 'trusted_root' | 'client_root';

/** Absolute paths, of what this role uses. */
export type TlsPaths = Readonly<Partial<Record<TlsFileKey, string>>>;

/** What the files held when they were read. */
export interface TlsFiles {
  readonly identities: readonly Identity[];
  /** DER. Client: who may have issued the server's certificate; server: a client's, or empty. */
  readonly roots: readonly Uint8Array[];
  /** By key, of each file's content: to tell a new one. */
  readonly digests: Readonly<Partial<Record<TlsFileKey, string>>>;
}

export interface TlsFilesOptions {
  readonly paths: TlsPaths;
  readonly pkcs12Password: string;
  /** Whether the system's roots are needed where no file names others: a client's case. */
  readonly wantsRoots: boolean;
  /** @throws whatever reading throws. */
  readonly readFile: (path: string) => Uint8Array;
  /** What an error of `readFile` means, in words. */
  readonly explain: (error: unknown) => string;
}

export interface TlsFinding {
  readonly severity: 'error' | 'warning';
  readonly key: TlsFileKey;
  readonly message: string;
  readonly remedy: string;
}

/** `files` is what could be read, for use only where no finding is an error. */
export function readTlsFiles(options: TlsFilesOptions): {
  readonly files: TlsFiles;
  readonly findings: readonly TlsFinding[];
} {
  const reader = new Reader(options);
  const { trusted_root: trustedRoot, client_root: clientRoot } = options.paths;
  const identities = [reader.pkcs12(), reader.pem()].filter((found) => found !== undefined);
  const rootKey = trustedRoot === undefined ? 'client_root' : 'trusted_root';
  const roots =
    trustedRoot === undefined && clientRoot === undefined && options.wantsRoots
      ? reader.systemRoots()
      : reader.roots(rootKey);
  return { files: { identities, roots, digests: reader.digests }, findings: reader.findings };
}

class Reader {
  readonly digests: Partial<Record<TlsFileKey, string>> = {};
  readonly findings: TlsFinding[] = [];
  readonly #options: TlsFilesOptions;

  constructor(options: TlsFilesOptions) {
    this.#options = options;
  }

  pkcs12(): Identity | undefined {
    const bytes = this.#read('pkcs12', 'create it, or correct the path or its permissions');
    if (bytes === undefined) return undefined;
    const content = this.#try('pkcs12', () => readPkcs12(bytes, this.#options.pkcs12Password));
    if (content === undefined) return undefined;
    const found = this.#try('pkcs12', () => {
      const key = content.keys[0];
      const again = 'export it again with `openssl pkcs12 -export -inkey KEY -in CERT -out FILE`';
      if (key === undefined) throw new CredentialError('there is no private key in it', again);
      if (content.certificates.length === 0) {
        throw new CredentialError('there is no certificate in it', again);
      }
      const certificates = content.certificates.map((der, index) =>
        parseCertificate(der, `certificate ${index + 1}`),
      );
      return identityOf(certificates, privateKeyOfPkcs8(key), { certificate: 'it', key: 'it' });
    });
    return this.#judged('pkcs12', found);
  }

  pem(): Identity | undefined {
    const create = 'create it, or correct the path or its permissions';
    const cert = this.#read('cert', create);
    const key = this.#read('key', create);
    const certificates = cert && this.#try('cert', () => certificatesOf(cert));
    const privateKey = key && this.#try('key', () => privateKeyOf(key));
    if (certificates === undefined || privateKey === undefined) return undefined;
    const { cert: certPath = '' } = this.#options.paths;
    const where = { certificate: certPath, key: 'it' };
    return this.#judged(
      'cert',
      this.#try('key', () => identityOf(certificates, privateKey, where)),
    );
  }

  roots(key: 'trusted_root' | 'client_root'): readonly Uint8Array[] {
    const pem = this.#read(key, 'create it, or correct the path or its permissions');
    if (pem === undefined) return [];
    return this.#try(key, () => certificatesOf(pem))?.map(({ raw }) => raw) ?? [];
  }

  systemRoots(): readonly Uint8Array[] {
    return this.#try('trusted_root', systemRoots) ?? [];
  }

  /** An expired certificate is shown all the same: who checks it may have another clock or rule. */
  #judged(key: TlsFileKey, found: CheckedIdentity | undefined): Identity | undefined {
    if (found === undefined) return undefined;
    if (!isVersion3(found.leaf)) {
      const message = 'the certificate is of X.509 version 1: it has no names to be checked';
      const remedy =
        'make one with a subjectAltName, with `openssl x509 -extfile FILE` for example';
      this.findings.push({ severity: 'error', key, message, remedy });
    }
    const message = datesFault(found.leaf, new Date());
    if (message !== undefined) {
      const remedy = 'replace it with a current one; the file is re-read by itself';
      this.findings.push({ severity: 'warning', key, message, remedy });
    }
    return found.identity;
  }

  #read(key: TlsFileKey, remedy: string): Uint8Array | undefined {
    const path = this.#options.paths[key];
    if (path === undefined) return undefined;
    try {
      const bytes = this.#options.readFile(path);
      this.digests[key] = createHash('sha256').update(bytes).digest('hex');
      return bytes;
    } catch (error) {
      const message = `the file cannot be read: ${this.#options.explain(error)}`;
      this.findings.push({ severity: 'error', key, message, remedy });
      return undefined;
    }
  }

  #try<T>(key: TlsFileKey, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CredentialError)) throw error;
      const { message, remedy } = error;
      this.findings.push({ severity: 'error', key, message, remedy });
      return undefined;
    }
  }
}
