/**
 * Either end killed and started again, a second client, and warren's hot reload, beside rathole.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { logLine, logRecords } from '../helpers/process-daemon.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes, UdpVisitor, visit } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const PAIRS = [
  { server: 'rathole', client: 'warren' },
  { server: 'warren', client: 'rathole' },
] as const;
const HEARTBEATS = 3;
const resources = new Resources();
afterEach(() => resources.close());

/** A tcp and a udp service, both of which have been used. */
async function openUsed(pair: (typeof PAIRS)[number]) {
  const local = await startLocalTcp(resources);
  const localUdp = await startLocalUdp(resources);
  const tunnel = await Tunnel.open(resources, {
    ...pair,
    services: {
      web: { local: local.port },
      dns: { type: 'udp', local: localUdp.port },
    },
  });
  const visitor = await EchoVisitor.open(resources, tunnel.port('web'));
  const asker = await UdpVisitor.open(resources, tunnel.port('dns'));
  await asker.warmUp();
  return { tunnel, visitor, asker, local };
}

async function expectServed(tunnel: Tunnel): Promise<void> {
  await until('a visitor to be served again', () => echoes(tunnel.port('web')));
  const asker = await UdpVisitor.open(resources, tunnel.port('dns'));
  await asker.warmUp();
}

describe.skipIf(RATHOLE === undefined).each(PAIRS)('$server server, $client client', (pair) => {
  test.each(['server', 'client'] as const)('serves again after the %s was killed', async (role) => {
    const { tunnel, visitor } = await openUsed(pair);
    const cut = new Promise((resolve) => visitor.socket.once('close', resolve));
    const other = role === 'server' ? tunnel.client : tunnel.server;
    const mark = other.mark;
    // A FIN on a running visitor is its end only when it answers with its own.
    visitor.socket.once('end', () => visitor.socket.end());
    await tunnel.restart(role);
    await cut;
    if (role === 'server') await tunnel.up(0, mark);
    else await tunnel.up(pair.server === 'rathole' ? mark : 0, 0);
    await expectServed(tunnel);
  });

  test('the newest of two clients has the service, running visitors stay', async () => {
    const { tunnel, visitor } = await openUsed(pair);
    const first = tunnel.client;
    const mark = tunnel.server.mark;
    // Told to stop at once when it is evicted, so that it does not take the service back.
    const evicted = first.waitFor('the eviction', (line) =>
      pair.client === 'warren'
        ? logLine('service disconnected', { service: 'web' })(line)
        : line.includes('{service=web}') && /Control channel shutdown|Failed to run/.test(line),
    );
    const second = tunnel.another();
    await evicted;
    await tunnel.bound('web', pair.server === 'rathole' ? mark : 0);
    await visitor.ping();
    await visitor.finish();
    await first.kill();
    await until('a visitor to be served by the newest', () => echoes(tunnel.port('web')));
    expect(second.running).toBe(true);
  });

  test(`stays connected through ${HEARTBEATS} heartbeats of one second`, async () => {
    const local = await startLocalTcp(resources);
    const tunnel = await Tunnel.open(resources, {
      ...pair,
      services: { web: { local: local.port } },
      serverKeys: 'heartbeat_interval = 1',
      clientKeys: 'heartbeat_timeout = 2',
      recorded: true,
    });
    const { recorder } = tunnel;
    // Earlier ones are attempts while the server was starting.
    const control = recorder?.ofKind(0).at(-1);
    if (recorder === undefined || control === undefined)
      throw new Error('no control channel was recorded');
    const heartbeats = (): number => {
      const commands = control.down.subarray(41);
      let count = 0;
      for (let at = 0; at + 4 <= commands.length; at += 4) count += commands.readUInt32LE(at);
      return count;
    };
    await until('heartbeats', () => heartbeats() >= HEARTBEATS);
    expect(control.ended).toBe(false);
    expect(recorder.ofKind(0).at(-1)).toBe(control);
    expect(await echoes(tunnel.port('web'))).toBe(true);
  });

  test("reloads warren's end under traffic", async () => {
    const { tunnel, visitor, local } = await openUsed(pair);
    const role = pair.server === 'warren' ? 'server' : 'client';
    const file = role === 'server' ? tunnel.serverFile : tunnel.clientFile;
    let isRunning = true;
    let rounds = 0;
    const traffic = (async () => {
      while (isRunning) {
        await visitor.ping();
        rounds += 1;
      }
    })();
    const daemon = tunnel[role];
    const text = readFileSync(file, 'utf8');
    for (const [name, change] of [
      ['added', `${text}\n${tunnel.table(role, 'extra', local.port)}`],
      ['removed', text],
    ] as const) {
      const mark = daemon.mark;
      writeFileSync(file, change);
      const applied = await daemon.waitFor(
        `${name} in the plan`,
        logLine('applying the changed configuration'),
        mark,
      );
      expect(applied['plan']).toEqual([`${name}: services.extra`]);
      await daemon.waitFor('the change', logLine('configuration applied'), mark);
      expect(await echoes(tunnel.port('web'))).toBe(true);
    }
    const before = rounds;
    await until('more traffic', () => rounds > before);
    isRunning = false;
    await traffic;
    const gone = role === 'server' ? 'client disconnected' : 'service disconnected';
    expect(logRecords(daemon, gone).filter(({ service }) => service === 'web')).toEqual([]);
    await visitor.finish();
  });

  test('a service that is removed here closes there, and its visitors stay', async () => {
    const { tunnel, visitor } = await openUsed(pair);
    const role = pair.server === 'warren' ? 'server' : 'client';
    const file = role === 'server' ? tunnel.serverFile : tunnel.clientFile;
    const text = readFileSync(file, 'utf8');
    const [head = '', ...tables] = text.split(/(?=^\[(?:server|client)\.services\.)/m);
    const kept = tables.filter((table) => !table.includes('.services.web]'));
    expect(kept).toHaveLength(tables.length - 1);
    writeFileSync(file, head + kept.join(''));
    const plan = logLine('applying the changed configuration');
    const applied = await tunnel[role].waitFor('the plan', plan);
    expect(applied['plan']).toEqual(['removed: services.web']);
    await until('the port to close', async () => {
      const socket = await visit(tunnel.port('web')).catch(() => undefined);
      socket?.destroy();
      return socket === undefined;
    });
    await visitor.ping();
    await visitor.finish();
  });
});
