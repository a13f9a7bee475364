/** A reload that moves the tunnel listener to an address that cannot be had beside the old one. */
import { afterEach, describe, expect, it } from 'vitest';
import { Server, type ServerOptions } from '../../../ts/index.ts';
import { Peer } from '../../helpers/peer.ts';
import { PeerListener } from '../../helpers/peer-listener.ts';
import { RecordingLog } from '../../helpers/process-log.ts';
import { freePort } from '../../helpers/process-ports.ts';
import { Resources, until } from '../../helpers/process-resources.ts';
import { WireClient } from '../../helpers/rathole-wire.ts';

const TOKEN = 'reload';

const resources = new Resources();
afterEach(() => resources.close());

function options(bindAddr: string, names: readonly string[] = ['web']): ServerOptions {
  const services = names.map((name) => [name, { bindAddr: '127.0.0.1:0' }] as const);
  return {
    bindAddr,
    heartbeatIntervalSecs: 0,
    defaultToken: TOKEN,
    services: Object.fromEntries(services),
  };
}

async function running(bindAddr: string) {
  const log = new RecordingLog();
  const server = new Server(options(bindAddr), { log });
  resources.use(server);
  await server.start();
  const port = portOf(server);
  const authenticate = (service = 'web', at = port) =>
    WireClient.open({ port: at, service, token: TOKEN, resources });
  return { server, log, port, authenticate };
}

function portOf({ address }: Server): number {
  if (address === undefined) throw new Error('the server does not listen');
  return address.port;
}

/** Nobody listens there. */
async function refuses(host: string, port: number): Promise<boolean> {
  try {
    (await Peer.connect({ host, port })).destroy();
    return false;
  } catch {
    return true;
  }
}

/** What the log has of errors and warnings, as text; not of the connections that only knocked. */
function complaints(log: RecordingLog): string {
  const found = log.entries.filter(
    ({ level, msg }) =>
      (level === 'error' || level === 'warn') &&
      msg !== 'tunnel connection rejected' &&
      !msg.startsWith('the tunnel is not encrypted'),
  );
  return JSON.stringify(found);
}

describe('Server.reload moves the tunnel listener', () => {
  it('from every address to one, on the same port', async () => {
    const { server, log, port, authenticate } = await running('0.0.0.0:0');
    expect(await refuses('127.0.0.2', port)).toBe(false);
    await server.reload(options(`127.0.0.1:${port}`));
    expect(complaints(log)).toBe('[]');
    expect(server.address).toEqual({ host: '127.0.0.1', port });
    await authenticate();
    expect(await refuses('127.0.0.2', port)).toBe(true);
  });

  it('from one address to every, on the same port', async () => {
    // Free at every address: elsewhere a closed connection may still be in TIME-WAIT.
    const port = await freePort('0.0.0.0');
    const { server, log, authenticate } = await running(`127.0.0.1:${port}`);
    await server.reload(options(`0.0.0.0:${port}`));
    expect(complaints(log)).toBe('[]');
    expect(server.address).toEqual({ host: '0.0.0.0', port });
    await authenticate();
    expect(await refuses('127.0.0.2', port)).toBe(false);
  });

  it('to the port of a service that the same reload removes', async () => {
    const { server, log, port, authenticate } = await running('127.0.0.1:0');
    await authenticate();
    const web = await until('the address of web', () => server.serviceAddress('web'));
    await server.reload(options(`127.0.0.1:${web.port}`, ['other']));
    expect(complaints(log)).toBe('[]');
    expect(server.address).toEqual(web);
    await authenticate('other', web.port);
    expect(await refuses('127.0.0.1', port)).toBe(true);
  });
});

describe('Server.reload to an address that cannot be had', () => {
  it('keeps accepting at the old one, says so, and moves when it can', async () => {
    const { server, log, port, authenticate } = await running('127.0.0.1:0');
    const taken = await PeerListener.open();
    resources.defer(() => taken.server.close());
    const free = taken.address;
    const address = `${free.host}:${free.port}`;
    await server.reload(options(address, ['web', 'other']));
    expect(server.address).toEqual({ host: '127.0.0.1', port });
    expect(complaints(log)).toContain(address);
    // The rest of the reload is applied.
    await authenticate('other');
    await taken.close();
    await server.reload(options(address, ['web', 'other']));
    expect(server.address).toEqual(free);
  });

  it('keeps accepting at the old one when only its port is the same', async () => {
    const { server, log, port, authenticate } = await running('0.0.0.0:0');
    const address = `192.0.2.1:${port}`;
    await server.reload(options(address));
    expect(server.address).toEqual({ host: '0.0.0.0', port });
    expect(complaints(log)).toContain(address);
    await authenticate();
    expect(await refuses('127.0.0.2', port)).toBe(false);
  });

  it('is the port of a service that stays', async () => {
    const { server, log, port, authenticate } = await running('127.0.0.1:0');
    const client = await authenticate();
    const web = await until('the address of web', () => server.serviceAddress('web'));
    const address = `127.0.0.1:${web.port}`;
    await server.reload(options(address));
    expect(server.address).toEqual({ host: '127.0.0.1', port });
    expect(complaints(log)).toContain(address);
    expect(server.serviceAddress('web')).toEqual(web);
    expect(client.control.isOpen).toBe(true);
    await authenticate();
  });
});
