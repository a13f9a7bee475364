/**
 * A DNS-like exchange through the tunnel: questions with ids, many at once, a responder that
 * restarts.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { UdpVisitor } from '../helpers/program-visitor.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const shared = new Resources();
const resources = new Resources();
let local = 0;
let port = 0;
let responder: dgram.Socket;

/** Answers `id name` by `id`, the answer bit, and the name's length in the end. */
async function startResponder(): Promise<void> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (question, from) => {
    const name = question.subarray(2);
    const answer = Buffer.concat([question, Buffer.from([0x80, name.length])]);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(local, '127.0.0.1');
  await once(socket, 'listening');
  responder = socket;
}

async function stopResponder(): Promise<void> {
  responder.close();
  await once(responder, 'close');
}

function question(id: number, name: string): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(id);
  return Buffer.concat([bytes, Buffer.from(name)]);
}

function parse(answer: Buffer): { id: number; name: string; length: number | undefined } {
  return {
    id: answer.readUInt16BE(0),
    name: answer.subarray(2, -2).toString(),
    length: answer.at(-1),
  };
}

beforeAll(async () => {
  local = await freePort();
  await startResponder();
  shared.defer(stopResponder);
  const tunnel = await Tunnel.open(shared, {
    server: 'warren',
    client: 'warren',
    services: { dns: { type: 'udp', local } },
  });
  port = tunnel.port('dns');
  await (await UdpVisitor.open(shared, port)).warmUp();
});
afterEach(() => resources.close());
afterAll(() => shared.close());

test('every resolver gets the answers to its own ids', async () => {
  const resolvers = await Promise.all(
    Array.from({ length: 10 }, () => UdpVisitor.open(resources, port)),
  );
  await Promise.all(
    resolvers.map(async (resolver, which) => {
      const asked = new Map<number, string>();
      for (let id = 0; id < 50; id++) {
        const name = `host-${which}-${id}.example`;
        asked.set(id, name);
        resolver.send(question(id, name));
        // As many on their way as a resolver has.
        if (id % 10 < 9) continue;
        for (let i = 0; i < 10; i++) {
          const { id: answered, name: echoed, length } = parse(await resolver.next());
          expect(echoed).toBe(asked.get(answered));
          expect(length).toBe(echoed.length);
          asked.delete(answered);
        }
      }
      expect(asked.size).toBe(0);
    }),
  );
});

test('a resolver that asks while the responder restarts is answered afterwards', async () => {
  const resolver = await UdpVisitor.open(resources, port);
  expect(parse(await resolver.ask(question(1, 'before'))).id).toBe(1);
  for (let restart = 0; restart < 3; restart++) {
    await stopResponder();
    for (let id = 100; id < 110; id++) resolver.send(question(id, 'refused'));
    await startResponder();
    // As resolvers do: ask again until somebody answers.
    const id = 1_000 + restart;
    await until('an answer', async () => {
      resolver.send(question(id, 'again'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return resolver.received.some((answer) => parse(answer).id === id);
    });
    resolver.received.length = 0;
  }
});
