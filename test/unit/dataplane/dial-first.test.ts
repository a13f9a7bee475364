import { lookup } from 'node:dns/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dialTcp } from '../../../ts/dataplane/dial.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { TcpLink } from '../../../ts/dataplane/tcp-link.ts';
import { PeerListener } from '../../helpers/peer-listener.ts';
import { freePort } from '../../helpers/process-ports.ts';
import { StuckListener } from '../../helpers/stuck-listener.ts';

vi.mock('node:dns/promises', () => ({ lookup: vi.fn() }));

const OPTIONS = {
  timeoutMs: 5_000,
  nodelay: true,
  keepaliveMs: 0,
  links: new OpenLinks(() => undefined),
};

/** The address that the control channel reached, before the addresses of the name. */
describe('dialTcp with a first address', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.mocked(lookup).mockReset();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function listener(host: string, port = 0): Promise<PeerListener> {
    const open = await PeerListener.open({ host, port });
    cleanups.push(() => open.close());
    return open;
  }

  function keep(link: TcpLink): TcpLink {
    cleanups.push(() => link.destroy());
    return link;
  }

  function answer(address: string): void {
    vi.mocked(lookup).mockResolvedValue([{ address, family: 4 }] as never);
  }

  it('looks no name up while that address answers', async () => {
    const first = (await listener('127.0.0.1')).address;
    answer('127.0.0.2');
    const to = { host: 'name.test', port: first.port };
    for (let dials = 0; dials < 5; dials++) {
      const link = keep(await dialTcp(to, { ...OPTIONS, first }));
      expect(link.peer).toEqual(first);
    }
    expect(lookup).not.toHaveBeenCalled();
  });

  it('does not wait for a resolver that is mute', async () => {
    const first = (await listener('127.0.0.1')).address;
    vi.mocked(lookup).mockReturnValue(new Promise(() => undefined) as never);
    const to = { host: 'name.test', port: first.port };
    expect(keep(await dialTcp(to, { ...OPTIONS, first })).peer).toEqual(first);
  });

  it('resolves the name, once, when that address refuses', async () => {
    const port = await freePort();
    const target = await listener('127.0.0.2', port);
    answer('127.0.0.2');
    const first = { host: '127.0.0.1', port };
    const link = keep(await dialTcp({ host: 'name.test', port }, { ...OPTIONS, first }));
    expect(link.peer).toEqual(target.address);
    expect(lookup).toHaveBeenCalledTimes(1);
  });

  it('resolves the name when that address does not answer', async () => {
    const stuck = await StuckListener.open();
    cleanups.push(() => stuck.close());
    const { port } = stuck.address;
    const target = await listener('127.0.0.2', port);
    answer('127.0.0.2');
    const options = { ...OPTIONS, first: stuck.address };
    const link = keep(await dialTcp({ host: 'name.test', port }, options));
    expect(link.peer).toEqual(target.address);
    expect(lookup).toHaveBeenCalledTimes(1);
  });

  it('names that address and the others in its error', async () => {
    const port = await freePort();
    answer('127.0.0.2');
    const first = { host: '127.0.0.3', port };
    const error = await dialTcp({ host: 'name.test', port }, { ...OPTIONS, first }).catch(String);
    for (const part of [`127.0.0.3:${port}`, `127.0.0.2:${port}`]) expect(error).toContain(part);
  });
});
