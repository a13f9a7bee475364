import { lookup } from 'node:dns/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dialTcp } from '../../../ts/dataplane/dial.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import { PeerListener } from '../../helpers/peer-listener.ts';
import { freePort } from '../../helpers/process-ports.ts';
import { openSockets, untilSockets } from '../../helpers/sockets.ts';
import { StuckListener } from '../../helpers/stuck-listener.ts';
import { turn, within } from '../../helpers/until.ts';

vi.mock('node:dns/promises', () => ({ lookup: vi.fn() }));

const OPTIONS = {
  timeoutMs: 5_000,
  nodelay: true,
  keepaliveMs: 0,
  links: new OpenLinks(() => undefined),
};

describe('dialTcp', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.mocked(lookup).mockReset();
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function listener(host = '127.0.0.1'): Promise<PeerListener> {
    const open = await PeerListener.open({ host });
    cleanups.push(() => open.close());
    return open;
  }

  function keep(link: TcpLink): TcpLink {
    cleanups.push(() => link.destroy());
    return link;
  }

  /** What the resolver answers with. */
  function answer(...addresses: string[]): void {
    const answers = addresses.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    vi.mocked(lookup).mockResolvedValue(answers as never);
  }

  it('W18: tries every address of a name', async () => {
    const target = await listener('127.0.0.1');
    answer('127.0.0.3', '127.0.0.2', '127.0.0.1');
    const { port } = target.address;
    const link = keep(await dialTcp({ host: 'name.test', port }, OPTIONS));
    expect(link.peer).toEqual({ host: '127.0.0.1', port });
  });

  it('W18: an address that does not answer does not hold the next one up', async () => {
    const stuck = await StuckListener.open();
    cleanups.push(() => stuck.close());
    const { port } = stuck.address;
    const target = await PeerListener.open({ host: '127.0.0.2', port });
    cleanups.push(() => target.close());
    answer('127.0.0.1', '127.0.0.2');
    const link = keep(await dialTcp({ host: 'name.test', port }, OPTIONS));
    expect(link.peer.host).toBe('127.0.0.2');
    expect(target.peers).toHaveLength(1);
  });

  it('W18: names every address that was tried in its error', async () => {
    const port = await freePort();
    answer('127.0.0.2', '127.0.0.3');
    const dialled = dialTcp({ host: 'name.test', port }, OPTIONS);
    const error: unknown = await dialled.catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'WARREN_E_CONNECT', cause: { code: 'ECONNREFUSED' } });
    const { message } = error as Error;
    for (const part of ['name.test', `127.0.0.2:${port}`, `127.0.0.3:${port}`]) {
      expect(message).toContain(part);
    }
  });

  it('takes IPv6 addresses first when asked to, else the order of the resolver', async () => {
    const port = await freePort();
    answer('127.0.0.2', '::1');
    const first = await dialTcp({ host: 'name.test', port }, OPTIONS).catch(String);
    const second = await dialTcp(
      { host: 'name.test', port },
      { ...OPTIONS, preferIpv6: true },
    ).catch(String);
    expect(first).toMatch(/127\.0\.0\.2.*::1/);
    expect(second).toMatch(/::1.*127\.0\.0\.2/);
  });

  it('tries the address that was given first, and the name after it', async () => {
    const port = await freePort();
    const target = await PeerListener.open({ host: '127.0.0.2', port });
    cleanups.push(() => target.close());
    answer('127.0.0.2');
    const first = { host: '127.0.0.3', port };
    const link = keep(await dialTcp({ host: 'name.test', port }, { ...OPTIONS, first }));
    expect(link.peer.host).toBe('127.0.0.2');
    const direct = { ...OPTIONS, first: { host: '127.0.0.2', port } };
    keep(await dialTcp({ host: 'name.test', port }, direct));
    await vi.waitFor(() => expect(target.peers).toHaveLength(2));
  });

  it('uses the address that was given first when the name does not resolve', async () => {
    const target = await listener();
    vi.mocked(lookup).mockRejectedValue(new Error('getaddrinfo ENOTFOUND name.test'));
    const options = { ...OPTIONS, first: target.address };
    keep(await dialTcp({ host: 'name.test', port: 1 }, options));
    await expect(dialTcp({ host: 'name.test', port: 1 }, OPTIONS)).rejects.toMatchObject({
      code: 'WARREN_E_CONNECT',
      message: expect.stringContaining('name.test'),
    });
  });

  it('leaves no socket of the addresses that lost', async () => {
    const stuck = await StuckListener.open();
    cleanups.push(() => stuck.close());
    const { port } = stuck.address;
    const target = await PeerListener.open({ host: '127.0.0.2', port });
    answer('127.0.0.1', '127.0.0.2');
    const before = openSockets();
    const link = await dialTcp({ host: 'name.test', port }, OPTIONS);
    link.destroy();
    await target.close();
    await untilSockets(before === undefined ? undefined : before - 1, 'after a dial that won');
  });

  it('W17: is cancelled while the name is still being resolved', async () => {
    vi.mocked(lookup).mockReturnValue(new Promise(() => undefined) as never);
    const abort = new AbortController();
    const dialled = dialTcp({ host: 'name.test', port: 1 }, OPTIONS, abort.signal);
    const settled = expect(dialled).rejects.toMatchObject({ code: 'WARREN_E_ABORTED' });
    await turn();
    abort.abort();
    await within(settled, 'the end of a dial that was cancelled', 1_000);
  });

  it('W10: its limit counts the time that the resolver takes', async () => {
    vi.mocked(lookup).mockReturnValue(new Promise(() => undefined) as never);
    const dialled = dialTcp({ host: 'name.test', port: 1 }, { ...OPTIONS, timeoutMs: 50 });
    const settled = expect(dialled).rejects.toMatchObject({ code: 'WARREN_E_CONNECT' });
    await within(settled, 'the end of a dial whose resolver is mute', 1_000);
  });
});
