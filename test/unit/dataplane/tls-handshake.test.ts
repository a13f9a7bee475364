import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { TlsLink } from '../../../ts/dataplane/tls-link.ts';
import { shakeTlsClient } from '../../../ts/dataplane/transport/tls-handshake.ts';
import type { TlsSpec } from '../../../ts/engine/spec.ts';
import { certificateFile, identity, keyFile, rootFile, roots } from '../../helpers/certificates.ts';
import type { Address } from '../../helpers/peer.ts';
import { clientSpec, refusal, serverSpec, TlsScene, told } from '../../helpers/tls-scene.ts';
import { until } from '../../helpers/until.ts';

const ECDSA = {
  cert: () => readFileSync(certificateFile('ecdsa')),
  key: () => readFileSync(keyFile('ecdsa')),
};

describe('tls handshake', () => {
  let scene = new TlsScene();
  afterEach(async () => {
    await scene.end();
    expect(scene.faults).toEqual([]);
    scene = new TlsScene();
  });

  /** A server of node:tls. */
  async function stockServer(options: tls.TlsOptions): Promise<{
    address: Address;
    sockets: tls.TLSSocket[];
  }> {
    const sockets: tls.TLSSocket[] = [];
    const server = tls.createServer({ cert: ECDSA.cert(), key: ECDSA.key(), ...options });
    server.on('secureConnection', (socket) => sockets.push(scene.keep(socket)));
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    scene.onEnd(() => server.close());
    const address = { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
    return { address, sockets };
  }

  /** A client of node:tls, once its handshake is over. */
  async function stockClient(
    to: Address,
    options: tls.ConnectionOptions = {},
  ): Promise<tls.TLSSocket> {
    const ca = readFileSync(rootFile());
    const socket = scene.keep(tls.connect({ ...to, ca, servername: 'localhost', ...options }));
    await once(socket, 'secureConnect');
    return socket;
  }

  describe('a client and the server’s certificate', () => {
    const dial = async (leaf: Parameters<typeof serverSpec>[0], spec: TlsSpec) => {
      const { address, next } = await scene.ourServer(serverSpec(leaf));
      return { client: scene.ourClient(address, spec), server: next() };
    };

    it.each(['localhost', 'tunnel.test', '127.0.0.1', '::1'])('has the name %s', async (name) => {
      const { client, server } = await dial('ecdsa', clientSpec(name));
      told(await client).takes = true;
      await server;
    });

    it('is linked to its root by an intermediate one', async () => {
      const { client } = await dial('chained', clientSpec());
      await client;
    });

    it('has an intermediate one among the roots', async () => {
      const [, intermediate = new Uint8Array()] = identity('chained').chain;
      const { client } = await dial('chained', { ...clientSpec(), roots: [intermediate] });
      await client;
    });

    it.each<[string, Parameters<typeof serverSpec>[0], string, RegExp]>([
      ['for another name', 'other-name', 'localhost', /not for "localhost" but for other\.test$/],
      [
        'for another address',
        'ecdsa',
        '192.0.2.7',
        /not for "192\.0\.2\.7" but for localhost, tunnel\.test, 127\.0\.0\.1, 0:0:0:0:0:0:0:1$/,
      ],
      [
        'expired',
        'expired',
        'localhost',
        /"CN=warren test expired" has expired: valid from 2020-01-02 to 2021-03-04$/,
      ],
      [
        'not valid yet',
        'future',
        'localhost',
        /"CN=warren test future" is not valid yet: valid from 2090-01-02 to 2091-03-04$/,
      ],
      [
        'of another issuer',
        'foreign',
        'localhost',
        /"CN=warren test foreign" .*issuer "CN=warren test other-ca" is not among the trusted/,
      ],
    ])('refuses one %s, and says so', async (_what, leaf, name, text) => {
      const { client, server } = await dial(leaf, clientSpec(name));
      const error = await refusal(client);
      expect(error.reason).toBe('certificate_refused');
      expect(error.message).toMatch(text);
      await refusal(server);
    });

    it('tells no address as server name, and no protocol', async () => {
      const { address, sockets } = await stockServer({});
      await scene.ourClient(address, clientSpec('127.0.0.1'));
      await scene.ourClient(address, clientSpec('localhost'));
      await until(() => sockets.length === 2, 'both');
      // The types leave out that there may be none.
      expect(sockets.map((socket) => (socket as { servername?: unknown }).servername)).toEqual([
        false,
        'localhost',
      ]);
      expect(sockets.map(({ alpnProtocol }) => alpnProtocol)).toEqual([false, false]);
    });
  });

  describe('versions and keys', () => {
    it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s, both sides', async (version) => {
      const versions = { minVersion: version, maxVersion: version };
      const stock = await stockServer(versions);
      await scene.ourClient(stock.address, clientSpec());
      const [socket] = await until(() => stock.sockets.length > 0 && stock.sockets, 'its side');
      expect(socket?.getProtocol()).toBe(version);
      const ours = await scene.ourServer(serverSpec('rsa', 'ecdsa'));
      const client = await stockClient(ours.address, versions);
      expect(client.getProtocol()).toBe(version);
    });

    it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: shows ECDSA to who can', async (version) => {
      const { address } = await scene.ourServer(serverSpec('rsa', 'ecdsa'));
      const versions = { minVersion: version, maxVersion: version };
      const modern = await stockClient(address, versions);
      expect(modern.getPeerCertificate().subject.CN).toBe('warren test ecdsa');
      const sigalgs = 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256';
      const old = await stockClient(address, { ...versions, sigalgs });
      expect(old.getPeerCertificate().subject.CN).toBe('warren test rsa');
    });

    const OLD = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;

    it('W23: a server refuses TLS 1.1', async () => {
      const { address, next } = await scene.ourServer(serverSpec('ecdsa', 'rsa'));
      const server = next();
      scene.keep(tls.connect({ ...address, ...OLD, rejectUnauthorized: false }));
      const error = await refusal(server);
      expect(error.reason).toBe('tls_failed');
      expect(error.message).toBe('the client speaks neither TLS 1.2 nor TLS 1.3');
    });

    it('W23: a client refuses TLS 1.1', async () => {
      const { address } = await stockServer(OLD);
      const error = await refusal(scene.ourClient(address, clientSpec()));
      expect(error.reason).toBe('tls_failed');
      expect(error.message).toBe('the server speaks neither TLS 1.2 nor TLS 1.3');
    });
  });

  describe('what is not TLS', () => {
    it('is told of by a server', async () => {
      const { address, next } = await scene.ourServer(serverSpec('ecdsa'));
      const server = next();
      const raw = scene.keep(net.connect(address));
      raw.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      const error = await refusal(server);
      expect(error.reason).toBe('tls_failed');
      expect(error.message).toBe('what the client sent is not TLS');
    });

    it('is told of by a client', async () => {
      const address = await scene.listen((socket) => socket.resume().write('220 hello there\r\n'));
      const error = await refusal(scene.ourClient(address, clientSpec()));
      expect(error.reason).toBe('tls_failed');
      expect(error.message).toBe('what the server sent is not TLS');
    });

    it.each<[string, (socket: net.Socket) => void]>([
      ['FIN', (socket) => socket.resume().end()],
      ['RST', (socket) => socket.once('data', () => socket.resetAndDestroy()).resume()],
    ])('%s is handshake_eof', async (_what, act) => {
      const address = await scene.listen(act);
      const error = await refusal(scene.ourClient(address, clientSpec()));
      expect(error.reason).toBe('handshake_eof');
    });

    it('a signal ends it, and nothing is left', async () => {
      const abort = new AbortController();
      let gone = false;
      const address = await scene.listen((socket) => {
        socket.once('end', () => {
          gone = true;
        });
        socket.resume();
        setImmediate(() => abort.abort(new Error('enough')));
      });
      await expect(scene.ourClient(address, clientSpec(), abort.signal)).rejects.toThrow('enough');
      await until(() => gone, 'its end');
    });
  });

  describe('a server that is refused', () => {
    it('hears that its certificate was', async () => {
      const { address, next } = await scene.ourServer(serverSpec('foreign'));
      const server = next();
      // node:tls looks at certificates behind its handshake and sends no alert; others do.
      const strict = ['-verify_return_error', '-CAfile', rootFile()];
      const to = ['-connect', `${address.host}:${address.port}`];
      const other = spawn('openssl', ['s_client', ...to, ...strict], { stdio: 'ignore' });
      scene.onEnd(() => other.kill());
      const error = await refusal(server);
      expect(error.reason).toBe('certificate_refused');
      expect(error.message).toBe('the client did not accept our certificate: unknown ca');
    });
  });

  describe('a server that wants certificates', () => {
    const mutual = (): TlsSpec => ({
      identities: [identity('ecdsa')],
      roots: roots(),
      hostname: '',
    });
    const showing = (...names: Parameters<typeof serverSpec>): TlsSpec => ({
      ...clientSpec(),
      identities: names.map(identity),
    });

    it('takes one of its roots, also when the session is resumed', async () => {
      const { address, next } = await scene.ourServer(mutual());
      const spec = showing('client');
      for (const resumed of [false, true]) {
        const [client, server] = await Promise.all([scene.ourClient(address, spec), next()]);
        expect([client.resumed, server.resumed]).toEqual([resumed, resumed]);
        const sink = told(client);
        told(server);
        server.write(Buffer.from('welcome'));
        await until(() => sink.bytes.toString() === 'welcome', 'that it can be used');
        client.destroy();
      }
    });

    it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: refuses who has none', async (version) => {
      const { address, next } = await scene.ourServer(mutual());
      const server = next();
      const ca = readFileSync(rootFile());
      const versions = { minVersion: version, maxVersion: version };
      scene.keep(tls.connect({ ...address, ca, servername: 'localhost', ...versions }));
      const error = await refusal(server);
      expect(error.reason).toBe('certificate_refused');
      expect(error.message).toBe('the client showed no certificate');
    });

    it('refuses one of another issuer, by name', async () => {
      const { address, next } = await scene.ourServer(mutual());
      const server = next();
      void scene.ourClient(address, showing('foreign-client')).catch(() => undefined);
      const error = await refusal(server);
      expect(error.reason).toBe('certificate_refused');
      expect(error.message).toMatch(/the client's certificate of "CN=warren test foreign-client"/);
    });

    it('a client without one hears of it at its first read in TLS 1.3', async () => {
      const { address, next } = await scene.ourServer(mutual());
      const server = refusal(next());
      const client = await scene.ourClient(address, clientSpec());
      const sink = told(client);
      client.write(Buffer.from('hello'));
      await until(() => sink.closedWith, 'its end');
      expect(sink.closedWith?.[0]).toMatchObject({
        name: 'RefusedError',
        reason: 'certificate_refused',
        message: 'the server wants a certificate of ours and there is none',
      });
      await server;
    });

    it.each([
      ['the first that a server says is its handshake’s', false, 'tls_failed'],
      ['later it is about a record', true, 'bad_record'],
    ])('an alert of another kind: %s', async (_when, spoken, reason) => {
      const { address, sockets } = await stockServer({});
      const below = await scene.tcp(address);
      const sink = told(await shakeTlsClient(scene.links, below, clientSpec()));
      const [socket] = await until(() => sockets.length > 0 && sockets, 'the server’s side');
      if (spoken) {
        socket?.write('words');
        await until(() => sink.length > 0, 'its words');
      }
      below.write(Buffer.concat([Buffer.from('1703030040', 'hex'), Buffer.alloc(64)]));
      await until(() => sink.closedWith, 'its end');
      expect(sink.closedWith?.[0]).toMatchObject({ reason });
      expect(sink.closedWith?.[0]?.message).toMatch(/bad record mac/i);
    });

    it('a client without one hears of it in the handshake of TLS 1.2', async () => {
      const { address } = await stockServer({
        ca: readFileSync(rootFile()),
        requestCert: true,
        maxVersion: 'TLSv1.2',
      });
      const error = await refusal(scene.ourClient(address, clientSpec()));
      expect(['certificate_refused', 'tls_failed']).toContain(error.reason);
    });
  });

  describe('sessions', () => {
    const several = async (address: Address, spec: TlsSpec, count: number): Promise<boolean[]> => {
      const resumed: boolean[] = [];
      for (let dials = 0; dials < count; dials++) {
        const link = await scene.ourClient(address, spec);
        const sink = told(link);
        await until(() => sink.length > 0, 'that the session came before it');
        resumed.push(link.resumed);
        link.destroy();
      }
      return resumed;
    };
    /** What comes behind a session tells that it has come. */
    const greet = (sockets: tls.TLSSocket[]): NodeJS.Timeout =>
      setInterval(() => {
        for (const socket of sockets.splice(0)) socket.write('x');
      }, 1);

    it.each(['TLSv1.2', 'TLSv1.3'] as const)(
      '%s: of a stock server are resumed',
      async (version) => {
        const { address, sockets } = await stockServer({ maxVersion: version });
        const timer = greet(sockets);
        scene.onEnd(() => clearInterval(timer));
        expect(await several(address, clientSpec(), 5)).toEqual([false, true, true, true, true]);
      },
    );

    it('of ours are resumed, until its specification is renewed', async () => {
      const ours = await scene.ourServer(serverSpec('ecdsa'));
      const renewed = await scene.ourServer(serverSpec('rsa'));
      const serve = async (next: () => Promise<TlsLink>) => {
        const link = await next();
        told(link);
        link.write(Buffer.from('x'));
      };
      const spec = clientSpec();
      const dial = async (server: typeof ours): Promise<boolean[]> => {
        const served = serve(server.next);
        const resumed = await several(server.address, spec, 1);
        await served;
        return resumed;
      };
      expect(await dial(ours)).toEqual([false]);
      expect(await dial(ours)).toEqual([true]);
      expect(await dial(renewed)).toEqual([false]);
      expect(await dial(renewed)).toEqual([true]);
    });
  });
});
