/**
 * Free ports for programs that must be told a number. Below the range that the system hands out by
 * itself: a port that was bound to 0 and given back is otherwise soon some connection's own.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

const FIRST = 15_000;
const LAST = 31_999;
const TRIES = 200;

const given = new Set<number>();

/** A port that is free for tcp and udp there now. Never the same twice in one process. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (given.has(port) || !(await isFree(host, port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port found');
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = net.createServer();
  const socket = dgram.createSocket('udp4');
  try {
    server.listen({ port, host, exclusive: true });
    await once(server, 'listening');
    socket.bind({ port, address: host, exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
    socket.close();
  }
}
