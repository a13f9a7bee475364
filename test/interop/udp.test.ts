/** udp services between warren and rathole 0.5.0, each program at each end, as real processes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Resources, until } from '../helpers/process-resources.ts';
import { type LocalUdp, startLocalUdp } from '../helpers/program-local.ts';
import { UdpVisitor } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';
import { sha256 } from '../helpers/rathole-wire.ts';

/**
 * What rathole's own receive buffers hold: longer datagrams that it reads from a socket are cut.
 */
const RATHOLE_CUT = 2_048;
const LARGEST = 65_507;
const SIZES = [0, 1, 2, 512, 1_400, 2_047, 2_048];

const PAIRS = [
  { server: 'rathole', client: 'warren' },
  { server: 'warren', client: 'rathole' },
] as const;

describe.skipIf(RATHOLE === undefined).each(PAIRS)('$server server, $client client', (pair) => {
  const shared = new Resources();
  const resources = new Resources();
  let local: LocalUdp;
  let tunnel: Tunnel;
  let port = 0;

  beforeAll(async () => {
    local = await startLocalUdp(shared);
    tunnel = await Tunnel.open(shared, {
      ...pair,
      services: { dns: { type: 'udp', local: local.port } },
    });
    port = tunnel.port('dns');
    await (await UdpVisitor.open(shared, port)).warmUp();
  });
  afterEach(() => resources.close());
  afterAll(() => shared.close());

  test.each(SIZES)('carries a datagram of %d bytes there and back', async (size) => {
    const visitor = await UdpVisitor.open(resources, port);
    const payload = Buffer.alloc(size, 'e');
    expect((await visitor.ask(payload)).equals(payload)).toBe(true);
    expect(local.sizes.at(-1)).toBe(size);
  });

  test('carries the largest datagram towards the visitor, as far as rathole does', async () => {
    const visitor = await UdpVisitor.open(resources, port);
    const request = Buffer.from([0x4e, 0, 0]);
    request.writeUInt16LE(LARGEST, 1);
    const answer = await visitor.ask(request);
    expect(answer.length).toBe(pair.client === 'rathole' ? RATHOLE_CUT : LARGEST);
    expect(answer.equals(Buffer.alloc(answer.length, 'x'))).toBe(true);
  });

  test('carries the largest datagram towards the local service, as far as rathole does', async () => {
    const visitor = await UdpVisitor.open(resources, port);
    const request = Buffer.alloc(LARGEST, 'S');
    const size = pair.server === 'rathole' ? RATHOLE_CUT : LARGEST;
    const digest = sha256(request.subarray(0, size)).toString('hex');
    expect((await visitor.ask(request)).toString()).toBe(`${size} ${digest}`);
  });

  test('keeps several visitors apart, each with a local socket of its own', async () => {
    local.sources.clear();
    const visitors = await Promise.all(
      Array.from({ length: 20 }, () => UdpVisitor.open(resources, port)),
    );
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        visitors.map((visitor, index) => visitor.ask(`visitor ${index} round ${round}`)),
      );
      expect(answers.map(String)).toEqual(
        visitors.map((_visitor, index) => `visitor ${index} round ${round}`),
      );
    }
    expect(local.sources.size).toBe(visitors.length);
  });

  test('comes back when the local service does', async () => {
    const visitor = await UdpVisitor.open(resources, port);
    await visitor.ask('before');
    await local.close();
    // rathole's client never serves a visitor again whose datagram was refused (wire-v1 W29).
    const after = pair.client === 'rathole' ? await UdpVisitor.open(resources, port) : visitor;
    if (pair.client === 'warren') for (let i = 0; i < 5; i++) visitor.send(`refused ${i}`);
    local = await startLocalUdp(shared, local.port);
    await until('an answer', async () => {
      after.send('after');
      await new Promise((resolve) => setTimeout(resolve, 20));
      return after.received.some((payload) => payload.toString() === 'after');
    });
  });
});
