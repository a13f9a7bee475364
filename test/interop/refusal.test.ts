/** What does not fit together: tokens, names and types, between warren and rathole 0.5.0. */
import { afterEach, describe, expect, test } from 'vitest';
import { logLine, logRecords } from '../helpers/process-daemon.ts';
import { Resources } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { echoes, exchange, UdpVisitor, visit } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const PAIRS = [
  { server: 'rathole', client: 'warren' },
  { server: 'warren', client: 'rathole' },
] as const;
const resources = new Resources();
afterEach(() => resources.close());

describe.skipIf(RATHOLE === undefined).each(PAIRS)('$server server, $client client', (pair) => {
  test('a wrong token and an unknown name are refused, their neighbour is served', async () => {
    const local = await startLocalTcp(resources);
    const tunnel = await Tunnel.open(resources, {
      ...pair,
      services: {
        right: { local: local.port },
        wrong: { local: local.port, clientToken: 'not this one' },
        unknown: { local: local.port, missingAt: 'server' },
      },
      awaited: ['right'],
    });
    if (pair.client === 'warren') {
      const message = 'cannot connect to the server, will retry';
      // Of an unknown name rathole does not wait for the proof: unread, it makes its close a reset,
      // which may overtake the answer.
      const refusals = [{ service: 'wrong', reason: 'WARREN_E_REFUSED' }, { service: 'unknown' }];
      for (const fields of refusals) {
        await tunnel.client.waitFor(`${fields.service} refused`, logLine(message, fields));
      }
    } else {
      const server = logLine('client refused', { service: 'wrong', reason: 'wrong_token' });
      await tunnel.server.waitFor('a wrong token', server);
      const unknown = logLine('client refused', { reason: 'unknown_service' });
      await tunnel.server.waitFor('an unknown service', unknown);
      // It has read our answer, and not lost it to a reset.
      await tunnel.client.waitFor('the refusal', (line) => line.includes('Authentication failed'));
    }
    expect(await echoes(tunnel.port('right'))).toBe(true);
    await expect(visit(tunnel.port('wrong'))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(tunnel.client.running && tunnel.server.running).toBe(true);
  });

  test('a service of another type ends its visitors, and its neighbour is served', async () => {
    const local = await startLocalTcp(resources);
    const udp = await startLocalUdp(resources);
    const tunnel = await Tunnel.open(resources, {
      ...pair,
      services: {
        right: { local: local.port },
        mixed: { local: local.port, type: 'tcp', serverType: 'udp' },
        swapped: { local: udp.port, type: 'udp', serverType: 'tcp' },
      },
    });
    const outcome = await exchange(tunnel.port('swapped'), 'hello').catch((e: unknown) => e);
    if (Buffer.isBuffer(outcome)) expect(outcome).toHaveLength(0);
    else expect(outcome).toMatchObject({ code: 'ECONNRESET' });
    const visitor = await UdpVisitor.open(resources, tunnel.port('mixed'));
    visitor.send('hello');
    if (pair.client === 'warren') {
      const fields = { reason: 'type_mismatch', level: 'warn' };
      for (const service of ['mixed', 'swapped']) {
        const match = logLine('data channel ended unused', { ...fields, service });
        await tunnel.client.waitFor(`${service} told`, match);
      }
    }
    expect(await echoes(tunnel.port('right'))).toBe(true);
    expect(visitor.received).toHaveLength(0);
    if (pair.server === 'warren') expect(logRecords(tunnel.server, 'internal fault')).toEqual([]);
    expect(tunnel.client.running && tunnel.server.running).toBe(true);
  });
});
