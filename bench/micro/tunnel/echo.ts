// The local service of the tunnels: it sends back what comes.

import { once } from 'node:events';
import net from 'node:net';

export const HOST = '127.0.0.1';

export interface Echo {
  readonly port: number;
  close(): Promise<void>;
}

export async function openEcho(): Promise<Echo> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A tunnel that is destroyed resets what it carries.
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => socket.write(bytes));
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the echo has no port');
  return {
    port: address.port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
