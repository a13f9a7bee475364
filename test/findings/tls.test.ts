/** wire-v1 section 6, TLS: W23. Certificates of every kind, versions of every age. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import type { TransportOptions } from '../../ts/index.ts';
import { encodeControlHello, HELLO_LENGTH, serviceDigest } from '../../ts/protocol/wire.ts';
import {
  bundleFile,
  certificateFile,
  keyFile,
  type LeafName,
  PKCS12_PASSWORD,
  type Pkcs12Encryption,
  pkcs12File,
  rootFile,
} from '../helpers/certificates.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor } from '../helpers/program-visitor.ts';
import { openClientOf, refusedForGood, TestServer } from '../helpers/rathole-roles.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const resources = new Resources();
afterEach(() => resources.close());
const OLD = { ciphers: 'DEFAULT@SECLEVEL=0' };

function server(name: LeafName, clientRoot?: string): TransportOptions {
  const pair = { cert: certificateFile(name), key: keyFile(name) };
  return { type: 'tls', tls: { ...pair, ...(clientRoot === undefined ? {} : { clientRoot }) } };
}

interface ClientTls {
  readonly trustedRoot?: string;
  readonly hostname?: string;
  readonly identity?: LeafName;
}

function client({ trustedRoot = rootFile(), hostname, identity }: ClientTls): TransportOptions {
  const own = identity && { cert: certificateFile(identity), key: keyFile(identity) };
  return { type: 'tls', tls: { trustedRoot, ...(hostname && { hostname }), ...own } };
}

async function connects(of: TransportOptions, by: TransportOptions): Promise<void> {
  const { port } = await TestServer.open(resources, { transport: of });
  const { client: opened } = await openClientOf(resources, `127.0.0.1:${port}`, by);
  await until('it to be connected', () => opened.isConnected('web'));
}

/** What the client is told when it does not connect. */
async function refusal(of: TransportOptions, by: TransportOptions): Promise<string> {
  const { port } = await TestServer.open(resources, { transport: of });
  const { log } = await openClientOf(resources, `127.0.0.1:${port}`, by);
  return await refusedForGood(log, 'certificate_refused');
}

/** A TLS client of node:tls; resolves with the version, rejects when the handshake fails. */
async function dial(port: number, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const ca = readFileSync(rootFile());
  const socket = tls.connect({ port, ca, servername: 'localhost', ...options });
  resources.use(socket);
  await once(socket, 'secureConnect');
  return socket;
}

describe('W23: versions', () => {
  test.each(['TLSv1', 'TLSv1.1'] as const)('a server refuses %s, and says so', async (version) => {
    const {
      port,
      log,
      server: it,
    } = await TestServer.open(resources, { transport: server('rsa') });
    const old = { ...OLD, minVersion: version, maxVersion: version } as const;
    await expect(dial(port, old)).rejects.toThrow();
    await log.waitFor('tunnel connection rejected', { reason: 'tls_failed' });
    expect(it.stats().tunnelRejected).toEqual({ tls_failed: 1 });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a server speaks %s', async (version) => {
    const { port } = await TestServer.open(resources, { transport: server('rsa') });
    const socket = await dial(port, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.write(encodeControlHello(serviceDigest('web')));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer).toHaveLength(HELLO_LENGTH);
  });

  test('a server has no cipher without forward secrecy, and none of an old kind', async () => {
    const { port } = await TestServer.open(resources, { transport: server('rsa') });
    for (const ciphers of ['AES128-SHA', 'AES256-GCM-SHA384', 'ECDHE-RSA-AES128-SHA']) {
      await expect(dial(port, { maxVersion: 'TLSv1.2', ciphers })).rejects.toThrow();
    }
  });

  test('a client refuses a server that speaks TLS 1.1 at most', async () => {
    const versions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
    const pair = { cert: readFileSync(certificateFile('rsa')), key: readFileSync(keyFile('rsa')) };
    const listener = tls.createServer({ ...OLD, ...versions, ...pair });
    listener.on('tlsClientError', () => undefined);
    const { port } = await listening(listener);
    const { log } = await openClientOf(resources, `127.0.0.1:${port}`, client({}));
    await refusedForGood(log, 'tls_failed');
  });

  test('a client says of a server without TLS that it has none', async () => {
    const listener = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    const { port } = await listening(listener);
    const { log } = await openClientOf(resources, `127.0.0.1:${port}`, client({}));
    await refusedForGood(log, 'tls_failed');
  });
});

describe('W23: whom a client trusts', () => {
  test('a root that was given is the only one: the system’s do not count', async () => {
    const local = await startLocalTcp(resources);
    // The system, as this client sees it, trusts the server's issuer.
    const lines = (root: string): string => `[client.transport]
type = "tls"
[client.transport.tls]
hostname = "localhost"
${root}`;
    const open = (root: string, awaited: readonly string[]): Promise<Tunnel> =>
      Tunnel.open(resources, {
        server: 'warren',
        client: 'warren',
        services: { web: { local: local.port } },
        serverKeys: `[server.transport]
type = "tls"
[server.transport.tls]
cert = "${certificateFile('ecdsa')}"
key = "${keyFile('ecdsa')}"
`,
        clientKeys: lines(root),
        clientEnv: { SSL_CERT_FILE: rootFile() },
        awaited,
      });
    const bySystem = await open('', ['web']);
    await EchoVisitor.open(resources, bySystem.port('web'));
    const exclusive = await open(`trusted_root = "${rootFile('other-ca')}"`, []);
    await exclusive.client.waitFor('the refusal', (line) =>
      line.includes('"reason":"certificate_refused"'),
    );
  });

  test('every certificate of a bundle counts, be the right one second', () =>
    connects(server('ecdsa'), client({ trustedRoot: bundleFile() })));

  test('a chain with an intermediate is followed', () => connects(server('chained'), client({})));

  test('an IP address in the certificate is a name as well', () =>
    connects(server('rsa'), client({})));

  test('another name can be asked for', () =>
    connects(server('rsa'), client({ hostname: 'tunnel.test' })));

  test('another issuer is refused', async () => {
    await refusal(server('foreign'), client({}));
  });

  test('another name is told, wanted and found', async () => {
    const told = await refusal(server('other-name'), client({ hostname: 'tunnel.test' }));
    expect(told).toContain('tunnel.test');
    expect(told).toContain('other.test');
  });

  test('another address is told, wanted and found', async () => {
    const told = await refusal(server('other-name'), client({}));
    expect(told).toContain('127.0.0.1');
    expect(told).toContain('other.test');
  });

  test('an expired certificate is told with its date', async () => {
    expect(await refusal(server('expired'), client({}))).toContain('2021-03-04');
  });

  test('one that is not valid yet is told with its date', async () => {
    expect(await refusal(server('future'), client({}))).toContain('2090-01-02');
  });

  test('the name of a service is never shown to a server that is not trusted', async () => {
    const pair = {
      cert: readFileSync(certificateFile('foreign')),
      key: readFileSync(keyFile('foreign')),
    };
    let received = 0;
    const listener = tls.createServer(pair, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        received += bytes.length;
      });
    });
    listener.on('tlsClientError', () => undefined);
    const { port } = await listening(listener);
    const { log } = await openClientOf(resources, `127.0.0.1:${port}`, client({}));
    await refusedForGood(log, 'certificate_refused');
    expect(received).toBe(0);
  });
});

describe('clients with certificates', () => {
  test('a server that wants one takes the right one', () =>
    connects(server('ecdsa', rootFile()), client({ identity: 'client' })));

  // node:tls, as a server, closes without an alert when it does not trust a client.
  test.each([
    ['none', undefined, /^certificate_refused$/],
    ['one of another issuer', 'foreign-client', /^(certificate_refused|handshake_eof)$/],
  ] as const)('a server that wants one refuses %s', async (_what, identity, reason) => {
    const it = await TestServer.open(resources, { transport: server('ecdsa', rootFile()) });
    const by = client(identity === undefined ? {} : { identity });
    const { log, client: opened } = await openClientOf(resources, `127.0.0.1:${it.port}`, by);
    await it.log.waitFor('tunnel connection rejected', { reason: 'certificate_refused' });
    const told = await log.waitFor('cannot connect to the server, will retry');
    expect(told.fields['reason']).toMatch(reason);
    await log.waitFor('waiting before the next attempt');
    expect(opened.isConnected('web')).toBe(false);
  });
});

describe('PKCS#12, as the programs of this world write it', () => {
  test.each<Pkcs12Encryption>(['modern', 'legacy', '3des'])('%s encryption', async (encryption) => {
    for (const name of ['rsa', 'ecdsa'] as const) {
      const pkcs12 = pkcs12File(name, encryption);
      const tlsOptions = { pkcs12, pkcs12Password: PKCS12_PASSWORD };
      await connects({ type: 'tls', tls: tlsOptions }, client({}));
    }
  });
});

async function listening(listener: net.Server): Promise<{ port: number }> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  resources.defer(() => listener.close());
  return listener.address() as net.AddressInfo;
}
