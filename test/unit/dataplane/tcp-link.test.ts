import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import type { LinkSink } from '../../../ts/dataplane/link.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { Relay } from '../../../ts/dataplane/relay.ts';
import { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import { FakeLink } from '../../helpers/fake-link.ts';
import { Peer } from '../../helpers/peer.ts';
import { until } from '../../helpers/until.ts';

const PLANTED = new Error('planted by a test');

function planted(): never {
  throw PLANTED;
}

describe('tcp link', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** A link, the peer at its other end, and what its sink and its owner were told. */
  async function open(sink: Partial<LinkSink> = {}) {
    const faults: unknown[] = [];
    const ends: (Error | undefined)[] = [];
    const links = new OpenLinks((error) => faults.push(error));
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => server.close());
    const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    const peer = await Peer.connect({ host: '127.0.0.1', port: address.port });
    const link = TcpLink.accepted(links, await accepted);
    cleanups.push(() => {
      peer.destroy();
      link.destroy();
    });
    link.setSink({
      data: () => true,
      end: () => undefined,
      closed: (error) => ends.push(error),
      ...sink,
    });
    return { link, links, peer, faults, ends };
  }

  it.each<[string, Partial<LinkSink>, (peer: Peer) => Promise<void>]>([
    ['data', { data: planted }, (peer) => peer.write('x')],
    ['end', { end: planted }, (peer) => peer.end()],
  ])('ends by RST when %s throws, and tells of it once', async (_name, sink, act) => {
    const { link, links, peer, faults, ends } = await open(sink);
    link.resume();
    await act(peer);
    await peer.gone();
    await until(() => ends.length > 0, 'its end');
    expect(faults).toEqual([PLANTED]);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeInstanceOf(Error);
    expect(link.closed).toBe(true);
    await links.destroyAll();
  });

  it('ends when onDrained throws', async () => {
    const { link, peer, faults, ends } = await open();
    link.onDrained = planted;
    const bytes = Buffer.alloc(16 * 1_024 * 1_024);
    expect(link.write(bytes)).toBe(false);
    await until(() => ends.length > 0, 'its end');
    await peer.gone();
    expect(faults).toEqual([PLANTED]);
  });

  it('is forgotten although closed throws', async () => {
    const { link, links, peer, faults } = await open({ closed: planted });
    link.resume();
    await peer.reset();
    await until(() => link.closed, 'its end');
    await until(() => faults.length > 0, 'the fault');
    expect(faults).toEqual([PLANTED]);
    await links.destroyAll();
  });

  it('a relay over it ends with internal_error', async () => {
    const { link, peer, faults } = await open();
    const far = new FakeLink();
    const ended: string[] = [];
    far.write = planted;
    new Relay(link, far, {
      counters: new ServiceCounters(),
      limits: { halfCloseIdleMs: 1_000, closeHoldMs: 5_000 },
      nearBroken: 'visitor_reset',
      farBroken: 'channel_reset',
      unwritten: [],
      alreadyIn: 0,
      done: ({ reason }) => ended.push(reason),
    });
    await peer.write('x');
    await peer.gone();
    await until(() => ended.length > 0, 'the end of the relay');
    expect(ended).toEqual(['internal_error']);
    expect(faults).toEqual([PLANTED]);
    expect(far.calls).toContain('abort');
  });
});
