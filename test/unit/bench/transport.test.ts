import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { parse } from 'smol-toml';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  CERTIFICATE_NAME,
  makeCertificates,
  PKCS12_PASSWORD,
} from '../../../bench/load/peers/certificate.ts';
import { ratholeConfigs } from '../../../bench/load/peers/configs.ts';
import type { Ports } from '../../../bench/load/peers/peer.ts';
import { prepareTransports, TCP, type TransportName } from '../../../bench/load/peers/transport.ts';

const PORTS: Ports = {
  host: '10.0.0.1',
  control: 1,
  admin: 5,
  services: [
    { name: 'tcp', type: 'tcp', port: 2, local: 4 },
    { name: 'udp', type: 'udp', port: 3, local: 4 },
  ],
};
/** An X25519 private key in PKCS#8, before its 32 bytes. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** The parsed transport of both files. */
function written(name: TransportName): Record<'server' | 'client', Record<string, unknown>> {
  const transport = prepareTransports([name]).ready.get(name);
  if (transport === undefined) throw new Error(`${name} is not ready`);
  const { server, client } = ratholeConfigs(PORTS, transport);
  const tables = { ...parse(server), ...parse(client) };
  const of = (side: string): Record<string, unknown> =>
    (tables[side] as Record<string, Record<string, unknown>>)['transport'] ?? {};
  return { server: of('server'), client: of('client') };
}

describe('transports of the benchmark', () => {
  it('writes plain TCP as it always was', () => {
    const plain = { type: 'tcp', tcp: { nodelay: true } };
    expect(written('tcp')).toEqual({ server: plain, client: plain });
    expect(TCP.handshake).toBeUndefined();
  });

  it('writes what only warren knows into both files, above their tables', () => {
    const files = ratholeConfigs(PORTS, TCP, { channels: 'v1' });
    expect(parse(files.server)).toMatchObject({
      server: { bind_addr: '10.0.0.1:1', channels: 'v1', transport: { type: 'tcp' } },
    });
    expect(parse(files.client)).toMatchObject({
      client: { remote_addr: '10.0.0.1:1', channels: 'v1', transport: { type: 'tcp' } },
    });
  });

  it('writes booleans of TOML', () => {
    const carried = { type: 'websocket', tcp: { nodelay: true }, websocket: { tls: false } };
    expect(written('websocket')).toEqual({ server: carried, client: carried });
  });

  it.each([
    ['noise', 'Noise_NK_25519_ChaChaPoly_BLAKE2s'],
    ['noise-aesgcm', 'Noise_NK_25519_AESGCM_SHA256'],
  ] as const)('gives both ends of %s the two halves of one key', (name, pattern) => {
    const { server, client } = written(name);
    expect([server['type'], client['type']]).toEqual(['noise', 'noise']);
    const [ours, theirs] = [server['noise'], client['noise']] as Record<string, string>[];
    expect([ours?.['pattern'], theirs?.['pattern']]).toEqual([pattern, pattern]);
    const secret = Buffer.from(ours?.['local_private_key'] ?? '', 'base64');
    const key = createPrivateKey({
      key: Buffer.concat([PKCS8_HEAD, secret]),
      format: 'der',
      type: 'pkcs8',
    });
    const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
    expect(theirs?.['remote_public_key']).toBe(Buffer.from(x, 'base64url').toString('base64'));
  });

  it('tells a storm the key that the client has', () => {
    const { ready } = prepareTransports(['noise']);
    const { client, handshake } = ready.get('noise') ?? TCP;
    const key = Buffer.from(String(client['remote_public_key']), 'base64').toString('hex');
    expect(handshake).toMatchObject({ handshake: 'noise', pattern: client['pattern'], key });
  });

  it('names a transport that cannot be made ready, and why', () => {
    const { PATH: path } = process.env;
    process.env['PATH'] = '/nowhere';
    try {
      const { ready, missing } = prepareTransports(['tcp', 'tls']);
      expect([...ready.keys()]).toEqual(['tcp']);
      expect(missing).toEqual([
        { name: 'transport tls', reason: expect.stringContaining('openssl') },
      ]);
    } finally {
      process.env['PATH'] = path;
    }
  });
});

describe.skipIf(spawnSync('openssl', ['version']).error !== undefined)('certificates', () => {
  it.each(['ecdsa', 'rsa'] as const)(
    'has an %s identity that its root vouches for',
    async (kind) => {
      const folder = mkdtempSync(join(tmpdir(), 'warren-bench-test-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const made = makeCertificates(folder);
      const { pkcs12, cert, key } = made[kind];
      const identity = { pfx: readFileSync(pkcs12), passphrase: PKCS12_PASSWORD };
      const ca = readFileSync(made.root);
      const leaf = new X509Certificate(readFileSync(cert));
      expect(leaf.checkPrivateKey(createPrivateKey(readFileSync(key)))).toBe(true);
      const server = createServer(identity).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const socket = connect({ port, host: '127.0.0.1', ca, servername: CERTIFICATE_NAME });
      await once(socket, 'secureConnect');
      const shown = socket.getPeerX509Certificate();
      expect(shown?.fingerprint256).toBe(leaf.fingerprint256);
      expect(shown?.publicKey.asymmetricKeyType).toBe(kind === 'rsa' ? 'rsa' : 'ec');
      socket.destroy();
      server.close();
    },
  );
});
