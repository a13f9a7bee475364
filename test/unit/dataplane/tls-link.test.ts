import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { CodedLink } from '../../../ts/dataplane/coded-link.ts';
import type { TlsLink } from '../../../ts/dataplane/tls-link.ts';
import { TransportFault } from '../../../ts/dataplane/transport/codec.ts';
import { TlsRecordEdge } from '../../../ts/dataplane/transport/tls-record-edge.ts';
import { WebsocketFrames } from '../../../ts/dataplane/transport/websocket-frames.ts';
import { rootFile } from '../../helpers/certificates.ts';
import { clientSpec, serverSpec, TlsScene, told } from '../../helpers/tls-scene.ts';
import { turn, until } from '../../helpers/until.ts';

/**
 * A socket below a peer's TLS, where a test sees what is its own: FIN and RST. `holdsFin`: none follows
 * close_notify, as with native-tls (wire-v1 3.7).
 */
class Below extends Duplex {
  readonly #raw: net.Socket;
  readonly #holdsFin: boolean;

  constructor(raw: net.Socket, holdsFin: boolean) {
    super({ allowHalfOpen: true });
    this.#raw = raw;
    this.#holdsFin = holdsFin;
    raw.on('data', (bytes) => this.push(bytes));
    raw.on('end', () => this.push(null));
    raw.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#raw.write(bytes, done);
  }

  override _final(done: () => void): void {
    if (!this.#holdsFin) this.#raw.end();
    done();
  }
}

/** How the other side ended it. RST right behind bytes is told as an end; a write shows it. */
function endOf(raw: net.Socket): Promise<'FIN' | 'RST'> {
  return new Promise((resolve) => {
    raw.once('error', () => resolve('RST'));
    raw.once('end', () => raw.write('', (error) => resolve(error ? 'RST' : 'FIN')));
  });
}

describe('tls link', () => {
  let scene = new TlsScene();
  afterEach(async () => {
    await scene.end();
    expect(scene.faults).toEqual([]);
    scene = new TlsScene();
  });

  /** Our server's link, a peer of node:tls, and the socket below that. */
  async function pair(version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3', holdsFin = false) {
    const { address, next } = await scene.ourServer(serverSpec('ecdsa'));
    const raw = scene.keep(net.connect({ ...address, allowHalfOpen: true }));
    await once(raw, 'connect');
    const peer = scene.keep(
      tls.connect({
        socket: new Below(raw, holdsFin),
        ca: readFileSync(rootFile()),
        servername: 'localhost',
        maxVersion: version,
      }),
    );
    const seen = { bytes: Buffer.alloc(0), ended: false };
    peer.on('data', (bytes: Buffer) => {
      seen.bytes = Buffer.concat([seen.bytes, bytes]);
    });
    peer.on('end', () => {
      seen.ended = true;
    });
    await once(peer, 'secureConnect');
    const link: TlsLink = await next();
    return { link, peer, raw, seen };
  }

  /** Both ends are links. */
  async function links() {
    const { address, next } = await scene.ourServer(serverSpec('ecdsa'));
    const [client, server] = await Promise.all([scene.ourClient(address, clientSpec()), next()]);
    return { client, server };
  }

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('half-close in %s', (version) => {
    it('ours is close_notify and FIN, and the peer may go on', async () => {
      const { link, peer, raw, seen } = await pair(version);
      const sink = told(link);
      link.write(Buffer.from('last words'));
      link.end();
      await until(() => seen.ended && raw.readableEnded, 'close_notify, and FIN');
      expect(seen.bytes.toString()).toBe('last words');
      peer.write('an answer');
      await until(() => sink.bytes.toString() === 'an answer', 'the answer');
      peer.end();
      await until(() => sink.closedWith, 'its end');
      expect([sink.ended, sink.closedWith]).toEqual([true, [undefined]]);
    });

    it.each([
      ['with', false],
      ['without', true],
    ])('the peer’s is close_notify %s FIN, and we may go on', async (_fin, holdsFin) => {
      const { link, peer, raw, seen } = await pair(version, holdsFin);
      const sink = told(link);
      peer.end('last words');
      await until(() => sink.ended, 'its end');
      expect(sink.bytes.toString()).toBe('last words');
      await turn();
      expect([link.closed, link.ended]).toEqual([false, true]);
      const answer = randomBytes(300_000);
      link.write(answer);
      await until(() => seen.bytes.length === answer.length, 'the answer');
      expect(seen.bytes.equals(answer)).toBe(true);
      link.end();
      // Both directions have ended; a peer that keeps its socket does not keep ours.
      await until(() => sink.closedWith, 'its end');
      expect(sink.closedWith).toEqual([undefined]);
      await until(() => raw.readableEnded || raw.destroyed, 'FIN');
    });

    it('FIN alone is truncated, after what came before it', async () => {
      const { link, peer, raw } = await pair(version);
      const sink = told(link);
      peer.write('all');
      await until(() => sink.length === 3, 'what came');
      raw.end();
      await until(() => sink.closedWith, 'its end');
      const [error] = sink.closedWith ?? [];
      expect(error).toBeInstanceOf(TransportFault);
      expect(error).toMatchObject({ reason: 'truncated', betweenRecords: true });
      expect([sink.ended, sink.bytes.toString()]).toEqual([false, 'all']);
    });

    it('FIN alone is an end where WebSocket has said Close, and we may go on', async () => {
      const { link, peer, raw, seen } = await pair(version);
      const frames = new WebsocketFrames('server', true);
      const coded = new CodedLink(scene.links, link, frames, Buffer.alloc(0));
      const sink = told(coded);
      // A binary frame of three bytes and a Close, both with a mask of zeros.
      peer.write(Buffer.from('828300000000616c6c888000000000', 'hex'));
      await until(() => sink.ended, 'the Close');
      raw.end();
      await until(() => link.ended, 'FIN');
      coded.write(Buffer.from('an answer'));
      coded.end();
      await until(() => sink.closedWith, 'its end');
      expect([sink.bytes.toString(), sink.closedWith]).toEqual(['all', [undefined]]);
      await until(() => seen.bytes.length === 13, 'the answer');
      expect(seen.bytes.toString('latin1')).toBe('\x82\x09an answer\x88\x00');
    });

    it('FIN within a record is truncated, and not between records', async () => {
      const { link, raw } = await pair(version);
      const sink = told(link);
      raw.end(Buffer.from('1703030040', 'hex'));
      await until(() => sink.closedWith, 'its end');
      expect(sink.closedWith?.[0]).toMatchObject({ reason: 'truncated', betweenRecords: false });
    });

    it('a forged record is bad_record, after what came before it, and RST', async () => {
      const { link, peer, raw } = await pair(version);
      const sink = told(link);
      const end = endOf(raw);
      peer.write('good');
      await until(() => sink.length === 4, 'what came');
      raw.write(Buffer.concat([Buffer.from('1703030040', 'hex'), randomBytes(64)]));
      await until(() => sink.closedWith, 'its end');
      expect(sink.closedWith?.[0]).toMatchObject({ name: 'TransportFault', reason: 'bad_record' });
      expect(await end).toBe('RST');
    });
  });

  it('delivers an end that came before it had a sink, and not while it is paused', async () => {
    const { link, peer, raw } = await pair();
    peer.end();
    await once(raw, 'finish');
    for (let turns = 0; turns < 20; turns++) await turn();
    const sink = told(link);
    expect(sink.ended).toBe(false);
    await until(() => sink.ended, 'the end');
  });

  it('abort is RST', async () => {
    const { link, raw } = await pair();
    told(link);
    const end = endOf(raw);
    link.abort();
    expect(await end).toBe('RST');
    await until(() => link.closed, 'its end');
  });

  it('a RST of the peer is an error of its end', async () => {
    const { link, raw } = await pair();
    const sink = told(link);
    raw.resetAndDestroy();
    await until(() => sink.closedWith, 'its end');
    expect(sink.closedWith?.[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  it('endSoon sends everything, then close_notify and FIN, and is gone', async () => {
    const { link, raw, seen } = await pair();
    const sink = told(link);
    const bytes = randomBytes(4_000_000);
    link.write(bytes);
    link.endSoon();
    await until(() => seen.ended && raw.readableEnded, 'its end');
    expect(seen.bytes.equals(bytes)).toBe(true);
    await until(() => sink.closedWith, 'its end here');
    expect(sink.closedWith).toEqual([undefined]);
  });

  it('destroy is FIN, and nothing more is told', async () => {
    const { link, peer, raw } = await pair();
    const sink = told(link);
    const end = endOf(raw);
    link.destroy();
    expect(await end).toBe('FIN');
    peer.write('late');
    await until(() => sink.closedWith, 'its end');
    expect(sink.length).toBe(0);
  });

  it('holds back what its sink does not take, and delivers all of it later', async () => {
    const { client, server } = await links();
    const sink = told(server);
    sink.takes = false;
    const payload = randomBytes(24 * 1_024 * 1_024);
    const chunk = 65_536;
    let at = 0;
    const pump = (): void => {
      while (at < payload.length) {
        const takes = client.write(payload.subarray(at, at + chunk));
        at += chunk;
        if (!takes) return;
      }
    };
    client.onDrained = pump;
    told(client);
    pump();
    await until(() => client.backlog > 0 && sink.length > 0, 'that it stands');
    for (let turns = 0; turns < 50; turns++) await turn();
    // One chunk was told; what stays unread bounds what is sent.
    expect(sink.length).toBeLessThanOrEqual(16_384);
    expect(at).toBeLessThan(payload.length);
    sink.takes = true;
    server.resume();
    await until(() => sink.length === payload.length, 'all of it');
    expect(sink.bytes.equals(payload)).toBe(true);
    expect(client.backlog).toBe(0);
  });

  it('a write that the system took says so, and nothing waits', async () => {
    const { client, server } = await links();
    const sink = told(server);
    told(client);
    await turn();
    expect(client.write(Buffer.from('a'))).toBe(true);
    expect(client.backlog).toBe(0);
    // The one before is still node:tls's.
    const drained = new Promise<void>((resolve) => {
      client.onDrained = resolve;
    });
    expect(client.write(Buffer.from('b'))).toBe(false);
    await drained;
    expect(client.backlog).toBe(0);
    await until(() => sink.bytes.toString() === 'ab', 'both');
  });

  it('corked writes leave as one record', async () => {
    // TLS 1.2: its sessions come within the handshake.
    const { link, raw, seen } = await pair('TLSv1.2');
    told(link);
    const before = raw.bytesRead;
    link.cork();
    expect(link.write(Buffer.from('start'))).toBe(false);
    link.write(Buffer.from(' and more'));
    link.uncork();
    await until(() => seen.bytes.length === 14, 'both');
    // Head, nonce, tag: one record's.
    expect(raw.bytesRead - before).toBe(14 + 5 + 8 + 16);
  });

  it('a sink that throws ends it by RST, and is told of once', async () => {
    const { link, peer } = await pair();
    const planted = new Error('planted by a test');
    const ends: (Error | undefined)[] = [];
    link.setSink({
      data: () => {
        throw planted;
      },
      end() {},
      closed: (error) => ends.push(error),
    });
    link.resume();
    peer.write('x');
    await until(() => ends.length === 1, 'its end');
    expect(ends[0]).toMatchObject({ name: 'LinkFault', cause: planted });
    expect(scene.faults.splice(0)).toEqual([planted]);
  });

  it('follows records however they are cut', () => {
    const record = (length: number): Buffer =>
      Buffer.concat([Buffer.of(0x17, 3, 3, length >> 8, length & 0xff), Buffer.alloc(length)]);
    const wire = Buffer.concat([record(1), record(0), record(300), record(17)]);
    const edges = new Set([0, 6, 11, 316, 338]);
    for (let size = 1; size <= wire.length; size++) {
      const edge = new TlsRecordEdge();
      for (let at = 0; at < wire.length; at += size) {
        const end = Math.min(at + size, wire.length);
        expect(edge.pass(wire.subarray(at, end), 0, 9)).toBe(end - at);
        expect([size, end, edge.reached]).toEqual([size, end, edges.has(end)]);
      }
      expect(edge.passed).toBe(4);
    }
    const edge = new TlsRecordEdge();
    expect(edge.pass(wire, 0, 2)).toBe(11);
    expect(edge.pass(wire, 11, 1)).toBe(316);
    expect(edge.pass(wire, 316, 2)).toBe(338);
  });
});
