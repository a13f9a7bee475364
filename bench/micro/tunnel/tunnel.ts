// A whole tunnel in this process: a server and a client of the library, each with an engine of its
// own, and a service that leads to the echo.

import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Server, type TransportOptions } from '#dist/index.js';
import type { FoundEngine } from '../engines.ts';
import { HOST } from './echo.ts';

export type Carrier = 'tcp' | 'noise';

const SERVICE = 'echo';
const START_LIMIT_MS = 10_000;
const LOOK_EVERY_MS = 2;

export interface Tunnel {
  /** Where visitors come. */
  readonly port: number;
  close(): Promise<void>;
}

/** The transport of each end. */
function transports(carrier: Carrier): { server: TransportOptions; client: TransportOptions } {
  if (carrier === 'tcp') return { server: { type: 'tcp' }, client: { type: 'tcp' } };
  const { d, x } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const base64 = (key: string | undefined): string =>
    Buffer.from(key ?? '', 'base64url').toString('base64');
  return {
    server: { type: 'noise', noise: { localPrivateKey: base64(d) } },
    client: { type: 'noise', noise: { remotePublicKey: base64(x) } },
  };
}

/** @throws Error when visitors cannot come within ten seconds; nothing is left open then. */
export async function openTunnel(
  engine: FoundEngine,
  carrier: Carrier,
  localPort: number,
): Promise<Tunnel> {
  const transport = transports(carrier);
  const server = new Server(
    {
      bindAddr: `${HOST}:0`,
      defaultToken: 'token',
      transport: transport.server,
      services: { [SERVICE]: { bindAddr: `${HOST}:0` } },
    },
    { engine: await engine.open() },
  );
  const ends: (Server | Client)[] = [server];
  const close = async (): Promise<void> => {
    for (const end of ends) end.destroy();
    await Promise.all(ends.map((end) => end.close({ deadlineMs: 0 })));
  };
  try {
    await server.start();
    const client = new Client(
      {
        remoteAddr: `${HOST}:${server.address?.port}`,
        defaultToken: 'token',
        transport: transport.client,
        services: { [SERVICE]: { localAddr: `${HOST}:${localPort}` } },
      },
      { engine: await engine.open() },
    );
    ends.unshift(client);
    await client.start();
    return { port: await portOf(server), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function portOf(server: Server): Promise<number> {
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    const port = server.serviceAddress(SERVICE)?.port;
    if (port !== undefined) return port;
    if (Date.now() > deadline) throw new Error('no tunnel came up within ten seconds');
    await sleep(LOOK_EVERY_MS);
  }
}
