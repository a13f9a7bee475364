/**
 * The built library in a process of its own: several roles side by side, and nothing left behind.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Daemon, LIBRARY } from '../helpers/process-daemon.ts';
import { Resources } from '../helpers/process-resources.ts';
import { listen, startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';

const resources = new Resources();
afterEach(() => resources.close());

/** Runs a module; its first line is the library, and it ends by itself or not at all. */
async function runModule(source: string): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-library-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'main.mjs');
  writeFileSync(file, `import { Server, Client } from '${LIBRARY}';\n${source}`);
  return Daemon.start(resources, 'module', [process.execPath, file]);
}

/** Two tunnels with both their ends, used; the roles are in `all`. */
function tunnels(tcp: number, udp: number): string {
  return `
import net from 'node:net';
import dgram from 'node:dgram';
import { once } from 'node:events';
const until = async (probe) => {
  for (;;) {
    const value = probe();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
const all = [];
for (const token of ['one', 'two']) {
  const server = new Server({
    bindAddr: '127.0.0.1:0',
    defaultToken: token,
    services: { web: { bindAddr: '127.0.0.1:0' }, dns: { type: 'udp', bindAddr: '127.0.0.1:0' } },
  });
  await server.start();
  const client = new Client({
    remoteAddr: '127.0.0.1:' + server.address.port,
    defaultToken: token,
    services: {
      web: { localAddr: '127.0.0.1:${tcp}' },
      dns: { type: 'udp', localAddr: '127.0.0.1:${udp}' },
    },
  });
  await client.start();
  all.push(server, client);
  const { port } = await until(() => server.serviceAddress('web'));
  const socket = net.connect(port, '127.0.0.1');
  socket.end('E hello ' + token);
  let text = '';
  for await (const chunk of socket) text += chunk;
  console.log(text);
  const dns = await until(() => server.serviceAddress('dns'));
  const asker = dgram.createSocket('udp4');
  asker.send('datagram ' + token, dns.port, '127.0.0.1');
  const [answer] = await once(asker, 'message');
  console.log(String(answer));
  asker.close();
}
`;
}

describe('two servers and two clients in one process', () => {
  const used = [' hello one', 'datagram one', ' hello two', 'datagram two'];

  test.each([
    ['closed', 'for (const role of all) await role.close({ deadlineMs: 1_000 });'],
    [
      'closed, clients first',
      'for (const it of all.reverse()) await it.close({ deadlineMs: 1_000 });',
    ],
    ['destroyed', 'for (const role of all) role.destroy();'],
    ['disposed', 'for (const role of all) await role[Symbol.asyncDispose]();'],
  ])('%s leave nothing that keeps the process', async (_how, end) => {
    const [tcp, udp] = [await startLocalTcp(resources), await startLocalUdp(resources)];
    const child = await runModule(`${tunnels(tcp.port, udp.port)}\n${end}\nconsole.log('ended');`);
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.lines).toEqual([...used, 'ended']);
  });

  test('take no signal handler and change no global', async () => {
    const [tcp, udp] = [await startLocalTcp(resources), await startLocalUdp(resources)];
    const child = await runModule(`
const globals = Object.getOwnPropertyNames(globalThis).length;
${tunnels(tcp.port, udp.port)}
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection']) {
  console.log(name, process.listenerCount(name));
}
console.log('globals', Object.getOwnPropertyNames(globalThis).length - globals);
for (const role of all) role.destroy();
`);
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.lines.slice(used.length)).toEqual([
      'SIGTERM 0',
      'SIGINT 0',
      'SIGHUP 0',
      'uncaughtException 0',
      'unhandledRejection 0',
      'globals 0',
    ]);
  });
});

test('a server that cannot bind rejects with a code and keeps nothing', async () => {
  const taken = await listen(resources, () => undefined);
  const child = await runModule(`
const server = new Server({ bindAddr: '127.0.0.1:${taken.port}' });
await server.start().catch((error) => console.log(error.code));
`);
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.lines).toEqual(['WARREN_E_BIND']);
});

test('a client that is closed while its server is away keeps nothing', async () => {
  const child = await runModule(`
const client = new Client({
  remoteAddr: '127.0.0.1:9',
  services: { web: { localAddr: '127.0.0.1:9', token: 't' } },
});
await client.start();
await new Promise((resolve) => setTimeout(resolve, 50));
await client.close({ deadlineMs: 1_000 });
console.log(client.isConnected('web'));
`);
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.lines).toEqual(['false']);
});

test('options that cannot work are refused with every problem', async () => {
  const child = await runModule(`
try {
  new Server({ bindAddr: 'nowhere', services: { web: { bindAddr: '127.0.0.1:0' } } });
} catch (error) {
  console.log(error.code, error.diagnostics.length);
}
`);
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.lines).toEqual(['WARREN_E_CONFIG 2']);
});
