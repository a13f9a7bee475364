/** Ports that tests of deployments need: a privileged one, and one that is in use for a while. */
import { once } from 'node:events';
import net from 'node:net';
import type { Resources } from '../helpers/process-resources.ts';

/** Free, and below 1024; 0 where this user cannot have one. */
export async function lowPort(): Promise<number> {
  for (let port = 1023; port > 700; port--) {
    try {
      const server = net.createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') return 0;
    }
  }
  return 0;
}

/** Holds a port of loopback until the function it gives is called. */
export async function occupy(resources: Resources, port: number): Promise<() => Promise<void>> {
  const server = net.createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  const free = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  resources.defer(free);
  return free;
}
