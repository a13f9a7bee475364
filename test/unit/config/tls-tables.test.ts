/** What the `tls` tables may be, and what is said of files that cannot work. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type LoadedConfig, loadConfig } from '../../../ts/config/load.ts';
import { clientConfig, serverConfig } from '../../../ts/config/options.ts';
import {
  bundleFile,
  certificateFile,
  exportPkcs12,
  identity,
  keyFile,
  type LeafName,
  pkcs12File,
  rootFile,
} from '../../helpers/certificates.ts';
import { errorsOf, theError } from '../../helpers/config-errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'warren-transport-'));
const path = join(directory, 'etc', 'config.toml');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

beforeEach(() => {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
});

/** Beside the configuration. */
function place(name: string, source: string): void {
  cpSync(source, join(dirname(path), name));
}

function server(tls: string, rest = ''): LoadedConfig {
  return load(`[server]\nbind_addr = "h:1"\n[server.transport]\ntype = "tls"\n${rest}
[server.transport.tls]\n${tls}\n`);
}

function client(tls: string): LoadedConfig {
  return load(`[client]\nremote_addr = "h:1"\n[client.transport]\ntype = "tls"
[client.transport.tls]\n${tls}\n`);
}

function load(text: string): LoadedConfig {
  writeFileSync(path, text);
  return loadConfig(path, { env: {} });
}

describe('the identity of a server', () => {
  test('by PEM, by PKCS#12, and by both', () => {
    place('c.pem', certificateFile('ecdsa'));
    place('c.key', keyFile('ecdsa'));
    place('r.p12', pkcs12File('rsa'));
    const pem = 'cert = "c.pem"\nkey = "c.key"';
    const archive = 'pkcs12 = "r.p12"\npkcs12_password = "test pass"';
    for (const [tls, count] of [
      [pem, 1],
      [archive, 1],
      [`${pem}\n${archive}`, 2],
    ] as const) {
      const { config, warnings } = server(tls);
      expect(warnings).toEqual([]);
      expect(config.server?.transport.tls?.files.identities).toHaveLength(count);
      expect(config.server?.transport.tls?.files.roots).toEqual([]);
    }
  });

  test('the private key is in nothing that is printed', () => {
    place('c.pem', certificateFile('ecdsa'));
    place('c.key', keyFile('ecdsa'));
    const { config } = server('cert = "c.pem"\nkey = "c.key"');
    const key = Buffer.from(identity('ecdsa').key);
    const inspected = inspect(config, { depth: 9, maxArrayLength: null, showHidden: true });
    const hex = [...key.subarray(0, 40)].map((byte) => byte.toString(16).padStart(2, '0'));
    expect(inspected).toContain('identities');
    expect(inspected).not.toContain(hex.join(' '));
    // Behind the private number comes the public one, which the certificate has, too.
    expect(JSON.stringify(config)).not.toContain([...key.subarray(40, 56)].join(','));
  });

  test('the chain is put in order and the root left out', () => {
    const parts = [rootFile(), certificateFile('ecdsa')].map((file) => readFileSync(file));
    writeFileSync(join(dirname(path), 'all.pem'), Buffer.concat(parts));
    place('c.key', keyFile('ecdsa'));
    const { config } = server('cert = "all.pem"\nkey = "c.key"');
    const [shown] = config.server?.transport.tls?.files.identities ?? [];
    expect(shown?.chain).toHaveLength(1);
    place('chained.pem', certificateFile('chained'));
    place('chained.key', keyFile('chained'));
    const chained = server('cert = "chained.pem"\nkey = "chained.key"').config.server;
    expect(chained?.transport.tls?.files.identities[0]?.chain).toHaveLength(2);
  });

  test.each(['PKCS#1', 'SEC1'])('a key in %s', (form) => {
    const name: LeafName = form === 'SEC1' ? 'ecdsa' : 'rsa';
    const out = join(dirname(path), 'old.key');
    const { status } = spawnSync('openssl', [
      'pkey',
      '-traditional',
      '-in',
      keyFile(name),
      '-out',
      out,
    ]);
    expect(status).toBe(0);
    expect(readFileSync(out, 'utf8')).toContain(form === 'SEC1' ? 'BEGIN EC ' : 'BEGIN RSA ');
    place('c.pem', certificateFile(name));
    const { config } = server('cert = "c.pem"\nkey = "old.key"');
    expect(config.server?.transport.tls?.files.identities).toHaveLength(1);
  });

  test('W6: a server of tls, or of websocket with tls, without one cannot start', () => {
    const keys = errorsOf(() => server('')).map(({ key }) => key);
    const tls = 'server.transport.tls';
    expect(keys).toEqual([`${tls}.pkcs12`, `${tls}.pkcs12_password`]);
    expect(errorsOf(() => server('cert = "c.pem"')).map(({ key }) => key)).toContain(`${tls}.key`);
    const wss = `[server]\nbind_addr = "h:1"\n[server.transport]\ntype = "websocket"
websocket.tls = true\ntls = {}\n`;
    expect(errorsOf(() => load(wss)).map(({ key }) => key)).toEqual(keys);
  });

  test('an expired certificate and one that is not valid yet: a warning with its dates', () => {
    for (const [name, message] of [
      ['expired', 'has expired: valid from 2020-01-02T00:00:00Z to 2021-03-04T00:00:00Z'],
      ['future', 'is not valid yet: valid from 2090-01-02T00:00:00Z to 2091-03-04T00:00:00Z'],
    ] as const) {
      place('c.pem', certificateFile(name));
      place('c.key', keyFile(name));
      const { config, warnings } = server('cert = "c.pem"\nkey = "c.key"');
      expect(config.server?.transport.tls?.files.identities).toHaveLength(1);
      expect(warnings.map((warning) => warning.message)).toEqual([`the certificate ${message}`]);
      expect(warnings[0]).toMatchObject({ key: 'server.transport.tls.cert', line: 7 });
      expect(warnings[0]?.found).toBe(join(dirname(path), 'c.pem'));
    }
  });
});

describe('files that cannot be used are named with their key, and why', () => {
  beforeEach(() => {
    place('c.pem', certificateFile('ecdsa'));
    place('c.key', keyFile('ecdsa'));
    place('a.p12', pkcs12File('ecdsa'));
  });

  const pkcs12 = (file: string, password = 'test pass') =>
    `pkcs12 = "${file}"\npkcs12_password = "${password}"`;
  const pem = (cert: string, key: string) => `cert = "${cert}"\nkey = "${key}"`;

  test.each([
    ['pkcs12', pkcs12('gone.p12'), 'there is no such file'],
    ['pkcs12', pkcs12('.'), 'it is a directory'],
    ['pkcs12', pkcs12('c.pem'), 'no PKCS#12 archive'],
    ['pkcs12', pkcs12('a.p12', 'wrong'), 'the password is wrong'],
    ['cert', pem('gone.pem', 'c.key'), 'there is no such file'],
    ['key', pem('c.pem', 'gone.key'), 'there is no such file'],
    ['cert', pem('a.p12', 'c.key'), 'not PEM'],
    ['key', pem('c.pem', 'a.p12'), 'not PEM'],
    ['cert', pem('c.key', 'c.key'), 'no certificate in the file, only: PRIVATE KEY'],
    ['key', pem('c.pem', 'c.pem'), 'no private key in the file, only: CERTIFICATE'],
    ['client_root', `${pem('c.pem', 'c.key')}\nclient_root = "c.key"`, 'no certificate'],
  ])('%s %s', (key, tls, message) => {
    const error = theError(() => server(tls));
    expect(error.key).toBe(`server.transport.tls.${key}`);
    expect(error.message).toContain(message);
    expect(error.found).toContain(dirname(path));
    expect(JSON.stringify(error)).not.toContain('test pass');
  });

  test('a key of another certificate', () => {
    place('other.key', keyFile('rsa'));
    const error = theError(() => server(pem('c.pem', 'other.key')));
    expect(error.key).toBe('server.transport.tls.key');
    expect(error.message).toContain('does not belong to a certificate in');
    expect(error.message).toContain('c.pem');
  });

  test('an archive without a key, and one without a MAC', () => {
    const make = (flags: readonly string[]) => {
      exportPkcs12('ecdsa', join(dirname(path), 'b.p12'), { password: 'test pass', flags });
      return theError(() => server(pkcs12('b.p12'))).message;
    };
    expect(make(['-nokeys'])).toContain('there is no private key in it');
    expect(make(['-nomac'])).toContain('no MAC');
  });

  test.each([['-aes256'], ['-traditional', '-aes128']])('an encrypted PEM key: %j', (...flags) => {
    const out = join(dirname(path), 'locked.key');
    const words = ['-in', keyFile('rsa'), '-out', out, '-passout', 'pass:x'];
    expect(spawnSync('openssl', ['pkey', ...flags, ...words]).status).toBe(0);
    place('rsa.pem', certificateFile('rsa'));
    const error = theError(() => server(pem('rsa.pem', 'locked.key')));
    expect(error.message).toBe('the private key is encrypted');
    expect(error.remedy).toContain('openssl pkey');
  });

  test.each([
    ['P-521', ['EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
    ['1024 bits', ['RSA', '-pkeyopt', 'rsa_keygen_bits:1024']],
    ['ed448', ['ED448']],
  ])('a key that not every engine can sign with: %s', (_, algorithm) => {
    const out = join(dirname(path), 'odd.key');
    expect(spawnSync('openssl', ['genpkey', '-algorithm', ...algorithm, '-out', out]).status).toBe(
      0,
    );
    const error = theError(() => server(pem('c.pem', 'odd.key')));
    expect(error.message).toContain('cannot be used for TLS here');
  });

  test('a certificate of X.509 version 1, which no client would take', () => {
    const file = (name: string) => join(dirname(path), name);
    const openssl = (...args: string[]) => expect(spawnSync('openssl', args).status).toBe(0);
    openssl('req', '-new', '-key', file('c.key'), '-subj', '/CN=h', '-out', file('v1.csr'));
    openssl('x509', '-req', '-in', file('v1.csr'), '-key', file('c.key'), '-out', file('v1.pem'));
    const error = theError(() => server(pem('v1.pem', 'c.key')));
    expect(error.key).toBe('server.transport.tls.cert');
    expect(error.message).toContain('X.509 version 1');
  });

  test('all of them at once', () => {
    const tls = `${pem('x.pem', 'x.key')}\n${pkcs12('x.p12')}\nclient_root = "y.pem"`;
    expect(errorsOf(() => server(tls))).toHaveLength(4);
  });

  test.each(['trusted_root', 'cert', 'key'])('an empty %s is that, and no directory', (key) => {
    const tables = { cert: 'c', key: 'c', [key]: '' };
    const lines = Object.entries(tables).map(([name, path]) => `${name} = "${path}"`);
    const found = errorsOf(() => client(lines.join('\n'))).find((error) => error.key.endsWith(key));
    expect(found).toMatchObject({
      key: `client.transport.tls.${key}`,
      message: 'the path is empty',
    });
  });

  test('a key that was pasted in place of its path is not printed', () => {
    const key = readFileSync(keyFile('ecdsa'), 'utf8');
    const error = theError(() => server(`cert = "c.pem"\nkey = """${key}"""`));
    expect(error.message).toContain('not its path');
    expect(JSON.stringify(error)).not.toContain(key.split('\n')[1]);
  });
});

describe('a client', () => {
  test('trusts every certificate of its bundle and no other; else the system’s', () => {
    place('bundle.pem', bundleFile());
    const files = (tls: string) => client(tls).config.client?.transport.tls?.files;
    expect(files('trusted_root = "bundle.pem"')?.roots).toHaveLength(2);
    expect(files('')?.roots.length).toBeGreaterThan(2);
    expect(files('')?.identities).toEqual([]);
  });

  test('may have an identity of its own', () => {
    place('c.pem', certificateFile('client'));
    place('c.key', keyFile('client'));
    const { config, warnings } = client('cert = "c.pem"\nkey = "c.key"');
    expect(config.client?.transport.tls?.files.identities).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  test('is warned of what only a server uses, and a server of what only a client does', () => {
    expect(client('client_root = "gone.pem"').warnings.map(({ key }) => key)).toEqual([
      'client.transport.tls.client_root',
    ]);
    place('c.pem', certificateFile('ecdsa'));
    place('c.key', keyFile('ecdsa'));
    const tls = 'cert = "c.pem"\nkey = "c.key"\ntrusted_root = "gone.pem"\nhostname = "x"';
    expect(server(tls).warnings.map(({ key }) => key)).toEqual([
      'server.transport.tls.trusted_root',
      'server.transport.tls.hostname',
    ]);
  });

  test('pkcs12 needs its password', () => {
    const error = errorsOf(() => client('pkcs12 = "x.p12"')).map(({ key }) => key);
    expect(error).toContain('client.transport.tls.pkcs12_password');
  });
});

describe('paths', () => {
  test('are relative to the configuration, then to the working directory as with rathole', () => {
    place('c.pem', certificateFile('ecdsa'));
    place('c.key', keyFile('ecdsa'));
    const before = process.cwd();
    const elsewhere = join(directory, 'cwd');
    mkdirSync(elsewhere);
    cpSync(keyFile('rsa'), join(elsewhere, 'c.key'));
    cpSync(certificateFile('client'), join(elsewhere, 'only-here.pem'));
    process.chdir(elsewhere);
    try {
      const { config, files } = server(
        'cert = "c.pem"\nkey = "c.key"\nclient_root = "only-here.pem"',
      );
      const tls = config.server?.transport.tls;
      expect(tls?.key).toBe(join(dirname(path), 'c.key'));
      expect(tls?.clientRoot).toBe(join(elsewhere, 'only-here.pem'));
      // Whichever of them changes or appears is noticed.
      expect(files).toEqual(
        expect.arrayContaining([
          join(dirname(path), 'c.key'),
          join(dirname(path), 'only-here.pem'),
          join(elsewhere, 'only-here.pem'),
        ]),
      );
    } finally {
      process.chdir(before);
    }
  });

  test('of files that a transport does not use are not looked at', () => {
    const text = '[server]\nbind_addr = "h:1"\ntransport = { type = "tcp", tls.pkcs12 = "gone" }\n';
    const { warnings, files } = load(text);
    expect(warnings).toEqual([]);
    expect(files).toEqual([path]);
  });
});

test('options: the same files, the caller’s names', () => {
  const tls = { cert: certificateFile('ecdsa'), key: keyFile('ecdsa'), clientRoot: rootFile() };
  const config = serverConfig({ bindAddr: 'h:1', transport: { type: 'tls', tls } });
  expect(config.transport.tls?.files.identities).toHaveLength(1);
  expect(config.transport.tls?.files.roots).toHaveLength(1);
  const wrong = () =>
    clientConfig({
      remoteAddr: 'h:1',
      transport: { type: 'tls', tls: { trustedRoot: '/gone.pem' } },
    });
  expect(errorsOf(wrong).map(({ key, found }) => [key, found])).toEqual([
    ['transport.tls.trustedRoot', '/gone.pem'],
  ]);
});

describe('the name that a server’s certificate must have', () => {
  test.each([
    '',
    'a b',
    'https://h',
    'h:443',
    '[::1]',
    'bü?cher.test',
    'xn--ü',
    '-a',
    `${'a'.repeat(64)}.b`,
  ])('not "%s"', (hostname) => {
    const error = theError(() => client(`hostname = "${hostname}"`));
    expect(error.key).toBe('client.transport.tls.hostname');
    expect(error.message).toContain('neither a name nor an IP address');
  });

  test.each(['h', 'a.b.test', 'a_b.test', 'xn--bcher-kva.test', 'h.test.', '127.0.0.1', '::1'])(
    '"%s"',
    (hostname) => {
      const { config } = client(`hostname = "${hostname}"`);
      expect(config.client?.transport.tls?.hostname).toBe(hostname);
    },
  );

  test('in other letters than ASCII it is what a certificate has', () => {
    const { config } = client('hostname = "BÜcher.test"');
    expect(config.client?.transport.tls?.hostname).toBe('xn--bcher-kva.test');
  });
});
