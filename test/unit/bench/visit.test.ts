import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../../../bench/load/machine/process.ts';
import { untilAll, untilAnswered } from '../../../bench/load/machine/visit.ts';

/** Sends back what follows the first letter, as the sink does. */
function echo(socket: Socket): void {
  socket.once('data', (bytes) => socket.write(bytes.subarray(1)));
}

async function listening(serve: (socket: Socket) => void, port = 0): Promise<[number, Server]> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    serve(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return [(server.address() as AddressInfo).port, server];
}

describe('visits of the benchmark', () => {
  it('waits until somebody listens and answers', async () => {
    const [port = 0] = await freePorts(1);
    let isUp = false;
    const answered = untilAnswered(port, 10_000).then(() => isUp);
    let cut = 0;
    await listening((socket) => {
      cut += 1;
      isUp = cut > 3;
      if (isUp) echo(socket);
      else if (cut === 1) socket.resetAndDestroy();
      else socket.end();
    }, port);
    expect(await answered).toBe(true);
  });

  it('takes the answer of a visitor that was held, or of one that came after it', async () => {
    for (const answers of [0, 2]) {
      const visitors: Socket[] = [];
      const [port] = await listening((socket) => {
        visitors.push(socket);
        const chosen = visitors[answers];
        if (visitors.length === 3 && chosen !== undefined) echo(chosen);
      });
      await untilAnswered(port, 10_000);
      expect(visitors).toHaveLength(3);
    }
  });

  it('gives up where nobody answers', async () => {
    const [port] = await listening((socket) => socket.end('?'));
    await expect(untilAnswered(port, 50)).rejects.toThrow(
      `port ${port} did not answer within 0.05 s`,
    );
  });

  it('sees all answer, and then none', async () => {
    const ports = await freePorts(20);
    const all = untilAll(ports, 'answered', 10_000);
    const servers: Server[] = [];
    for (const port of ports.toReversed()) servers.push((await listening(echo, port))[1]);
    await all;
    const none = untilAll(ports, 'refused', 10_000);
    for (const server of servers) server.close();
    await none;
  });

  it('counts those that are not as they should be', async () => {
    const [port] = await listening(echo);
    const ports = [port, ...(await freePorts(2))];
    await expect(untilAll(ports, 'answered', 50)).rejects.toThrow(
      '2 of 3 ports were not answered within 0.05 s',
    );
    await expect(untilAll(ports, 'refused', 50)).rejects.toThrow(
      '1 of 3 ports were not refused within 0.05 s',
    );
  });

  it('finds ports that differ', async () => {
    const ports = await freePorts(300);
    expect(new Set(ports).size).toBe(300);
  });
});
