import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { dialTunnel } from '../../../ts/dataplane/dial-tunnel.ts';
import type { DialSpec, ProxySpec, TransportSpec } from '../../../ts/engine/spec.ts';
import { WarrenError } from '../../../ts/errors.ts';
import type { Address } from '../../helpers/peer.ts';
import { clientSpec, serverSpec, TlsScene, told } from '../../helpers/tls-scene.ts';
import { until } from '../../helpers/until.ts';

const TCP = { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 };
const PLAIN: TransportSpec = { type: 'tcp', tcp: TCP };
const NEVER = new AbortController().signal;

describe('dialling for a tunnel', () => {
  let scene = new TlsScene();
  afterEach(async () => {
    await scene.end();
    expect(scene.faults).toEqual([]);
    scene = new TlsScene();
  });

  function dial(
    spec: Partial<DialSpec> & { remote: Address },
    timeoutMs = 10_000,
    signal: AbortSignal = NEVER,
  ) {
    const whole = { preferIpv6: false, transport: PLAIN, proxy: undefined, ...spec };
    return dialTunnel(whole, { links: scene.links, timeoutMs, nodelay: true }, signal);
  }

  async function failure(dialling: Promise<unknown>): Promise<WarrenError> {
    const error = await dialling.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof WarrenError) return error;
    throw new Error(`not a WarrenError: ${error}`);
  }

  /** A proxy that answers `answer` to a head, connects to where it is told if that is a 200. */
  async function httpProxy(answer: string): Promise<{ proxy: ProxySpec; heads: string[] }> {
    const heads: string[] = [];
    const address = await scene.listen((socket) => {
      socket.once('data', (bytes) => {
        heads.push(bytes.toString('latin1'));
        socket.write(answer);
        const [, host = '', port = ''] = /^CONNECT (\S+):(\d+) /.exec(heads[0] ?? '') ?? [];
        if (!answer.startsWith('HTTP/1.1 200')) return;
        const on = scene.keep(net.connect({ port: Number(port), host: names[host] ?? host }));
        socket.pipe(on).pipe(socket);
      });
      socket.resume();
    });
    return { proxy: { type: 'http', address, credentials: undefined }, heads };
  }

  /** Names that only the proxy knows. */
  const names: Readonly<Record<string, string>> = { 'tunnel.test': '127.0.0.1' };

  it('goes through a proxy, which alone knows the name, to TLS', async () => {
    const { address, next } = await scene.ourServer(serverSpec('ecdsa'));
    const { proxy, heads } = await httpProxy('HTTP/1.1 200 OK\r\n\r\n');
    const link = await dial({
      remote: { host: 'tunnel.test', port: address.port },
      transport: { type: 'tls', tcp: TCP, tls: clientSpec('tunnel.test') },
      proxy,
    });
    const sink = told(await next());
    link.write(Buffer.from('hello'));
    await until(() => sink.bytes.toString() === 'hello', 'what was sent');
    expect(heads).toHaveLength(1);
    // The proxy's: what a known address is for the next dial.
    expect(link.peer).toEqual(proxy.address);
  });

  it('a refusal names the server, the proxy and why', async () => {
    const { proxy } = await httpProxy('HTTP/1.1 403 Forbidden\r\n\r\n');
    const error = await failure(dial({ remote: { host: 'tunnel.test', port: 7 }, proxy }));
    expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: 'proxy_refused' });
    expect(error.message).toBe(
      `cannot connect to tunnel.test:7: the http proxy 127.0.0.1:${proxy.address.port} ` +
        'refused to connect to tunnel.test:7: 403 Forbidden',
    );
  });

  it('a certificate that is refused is WARREN_E_TRANSPORT with its reason', async () => {
    const { address } = await scene.ourServer(serverSpec('other-name'));
    const transport: TransportSpec = { type: 'tls', tcp: TCP, tls: clientSpec() };
    const error = await failure(dial({ remote: address, transport }));
    expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: 'certificate_refused' });
    expect(error.message).toContain('"localhost" but for other.test');
  });

  const silent: [string, (address: Address) => Partial<DialSpec> & { remote: Address }][] = [
    ['server', (remote) => ({ remote, transport: { type: 'tls', tcp: TCP, tls: clientSpec() } })],
    [
      'http proxy',
      (address) => ({
        remote: { host: 'tunnel.test', port: 7 },
        proxy: { type: 'http', address, credentials: undefined },
      }),
    ],
    [
      'socks5 proxy',
      (address) => ({
        remote: { host: 'tunnel.test', port: 7 },
        proxy: { type: 'socks5', address, credentials: undefined },
      }),
    ],
  ];

  describe.each(silent)('a silent %s', (_who, specOf) => {
    const listen = async () => {
      const sockets: net.Socket[] = [];
      const address = await scene.listen((socket) => sockets.push(socket.resume()));
      return { address, sockets };
    };

    it('is given up at the deadline, and left', async () => {
      const { address, sockets } = await listen();
      const error = await failure(dial(specOf(address), 300));
      expect(error).toMatchObject({ code: 'WARREN_E_TRANSPORT', reason: 'handshake_timeout' });
      expect(error.message).toContain('not complete within 300 ms');
      await until(() => sockets[0]?.readableEnded, 'its end');
    });

    it('is left when the signal fires', async () => {
      const { address, sockets } = await listen();
      const abort = new AbortController();
      const dialling = failure(dial(specOf(address), 10_000, abort.signal));
      await until(() => (sockets[0]?.bytesRead ?? 0) > 0, 'the beginning of a handshake');
      abort.abort();
      expect(await dialling).toMatchObject({ code: 'WARREN_E_ABORTED' });
      await until(() => sockets[0]?.readableEnded, 'its end');
    });
  });

  it('nothing is dialled for a signal that has fired', async () => {
    const signal = AbortSignal.abort();
    const error = await failure(dial({ remote: { host: '127.0.0.1', port: 9 } }, 1_000, signal));
    expect(error.code).toBe('WARREN_E_ABORTED');
  });
});
