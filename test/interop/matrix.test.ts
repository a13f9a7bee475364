/**
 * The matrix: rathole 0.5.0 at one end, warren at the other, over every transport, tcp and udp
 * services. `matrix-reporter.ts` reads the names of these tests and prints the table.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { logLine } from '../helpers/process-daemon.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { type LocalUdp, startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import {
  download,
  EchoVisitor,
  echoBlob,
  readBlob,
  UdpVisitor,
  upload,
} from '../helpers/program-visitor.ts';
import { findProgram } from '../helpers/programs.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { type Program, Tunnel } from '../helpers/rathole-tunnel.ts';
import { TRANSPORTS, transportLines } from '../helpers/transport-cases.ts';

const SIZE = 8 * 1_048_576;
const VISITORS = 50;
const TOKEN_REFUSED = { reason: 'WARREN_E_REFUSED' };

interface Cell {
  readonly transport: (typeof TRANSPORTS)[number];
  readonly server: Program;
  readonly client: Program;
}

/** With rathole at both ends it is the tests that are tested. */
const PAIRS: readonly Pick<Cell, 'server' | 'client'>[] =
  process.env['WARREN_INTEROP_BASELINE'] === undefined
    ? [
        { server: 'rathole', client: 'warren' },
        { server: 'warren', client: 'rathole' },
      ]
    : [{ server: 'rathole', client: 'rathole' }];

const HAS_OPENSSL = findProgram('openssl') !== undefined;
const CELLS = TRANSPORTS.filter((transport) => HAS_OPENSSL || !transport.includes('tls')).flatMap(
  (transport) => PAIRS.map((pair) => ({ transport, ...pair })),
);

/** warren would reuse channels, and rathole must not notice. */
function keysOf(program: Program, transport: string): string {
  return program === 'warren' ? `channels = "reuse"\n${transport}` : transport;
}

describe.skipIf(RATHOLE === undefined).each(CELLS)(
  'matrix $transport, $server server, $client client',
  (cell) => {
    const shared = new Resources();
    const resources = new Resources();
    let localUdp: LocalUdp;
    let tunnel: Tunnel;
    const web = (): number => tunnel.port('web');
    const dns = (): number => tunnel.port('dns');

    beforeAll(async () => {
      const local = await startLocalTcp(shared);
      localUdp = await startLocalUdp(shared);
      const lines = transportLines(cell.transport);
      tunnel = await Tunnel.open(shared, {
        server: cell.server,
        client: cell.client,
        serverKeys: keysOf(cell.server, lines.server),
        clientKeys: keysOf(cell.client, lines.client),
        services: {
          web: { local: local.port },
          dns: { type: 'udp', local: localUdp.port },
          'wrong-tcp': { local: local.port, clientToken: 'not this one' },
          'wrong-udp': { type: 'udp', local: localUdp.port, clientToken: 'not this one' },
        },
        awaited: ['web', 'dns'],
      });
    });
    afterEach(() => resources.close());
    afterAll(() => shared.close());

    test('tcp: carries megabytes both ways at once', async () => {
      expect(await echoBlob(web(), SIZE)).toBe(blobDigest(SIZE));
    });

    test('tcp: carries megabytes towards the visitor', async () => {
      expect(await readBlob(web(), SIZE)).toBe(blobDigest(SIZE));
    });

    test('tcp: passes on the end of what a visitor sends', async ({ skip }) => {
      skip(holdsClose(cell), HOLDS_CLOSE);
      expect(await upload(web(), SIZE)).toBe(blobDigest(SIZE));
    });

    test('tcp: passes on the end of what the local service sends', async () => {
      expect(await download(web(), SIZE, '')).toBe(blobDigest(SIZE));
    });

    test(`tcp: serves ${VISITORS} visitors at once, each with its own bytes`, async () => {
      const visitors = await Promise.all(
        Array.from({ length: VISITORS }, () => EchoVisitor.open(resources, web())),
      );
      for (let round = 0; round < 3; round++) {
        await Promise.all(visitors.map((visitor) => visitor.ping()));
      }
    });

    test('tcp: a wrong token is refused', async () => {
      await refused('wrong-tcp');
      await EchoVisitor.open(resources, web());
    });

    test.each([1, 1_400, 2_048])(
      'udp: carries a datagram of %d bytes there and back',
      async (n) => {
        const visitor = await UdpVisitor.open(resources, dns());
        await visitor.warmUp();
        const payload = Buffer.alloc(n, 'e');
        expect((await visitor.ask(payload)).equals(payload)).toBe(true);
      },
    );

    test('udp: keeps visitors apart', async () => {
      const visitors = await Promise.all(
        Array.from({ length: 20 }, () => UdpVisitor.open(resources, dns())),
      );
      for (let round = 0; round < 5; round++) {
        const asked = visitors.map((_visitor, index) => `visitor ${index} round ${round}`);
        const answers = visitors.map((visitor, index) => visitor.ask(asked[index] ?? ''));
        expect((await Promise.all(answers)).map(String)).toEqual(asked);
      }
    });

    test('udp: a wrong token is refused', async () => {
      await refused('wrong-udp');
      await (await UdpVisitor.open(resources, dns())).warmUp();
    });

    describe.each(['server', 'client'] as const)('the %s killed and started again', (role) => {
      let mark = { server: 0, client: 0 };

      beforeAll(async () => {
        mark = { server: tunnel.server.mark, client: tunnel.client.mark };
        mark[role] = 0;
        await tunnel.restart(role);
      });

      test('tcp: serves again', async () => {
        await tunnel.connected('web', mark.client);
        await until('a visitor to be served', () => pings(resources, web()));
      });

      test('udp: serves again', async () => {
        await tunnel.connected('dns', mark.client);
        await (await UdpVisitor.open(resources, dns())).warmUp();
      });
    });

    async function refused(service: string): Promise<void> {
      if (cell.client === 'warren') {
        const message = 'cannot connect to the server, will retry';
        const told = logLine(message, { service, ...TOKEN_REFUSED });
        await tunnel.client.waitFor(`${service} refused`, told);
      } else if (cell.server === 'warren') {
        const told = logLine('client refused', { service, reason: 'wrong_token' });
        await tunnel.server.waitFor(`${service} refused`, told);
      }
      if (cell.client === 'rathole') {
        const isIt = (line: string): boolean =>
          line.includes(service) && line.includes('Authentication failed');
        await tunnel.client.waitFor(`${service} refused`, isIt);
      }
    }
  },
);

const HOLDS_CLOSE = 'a rathole client aborts at a Close frame: it is held back (wire-v1 7.12)';

/**
 * Whether a visitor's FIN cannot get through before the other direction has ended. From a rathole
 * server it can: we take its Close frame for FIN.
 */
function holdsClose({ transport, server, client }: Cell): boolean {
  return transport.startsWith('websocket') && server === 'warren' && client === 'rathole';
}

async function pings(resources: Resources, port: number): Promise<boolean> {
  const visitor = await EchoVisitor.open(resources, port);
  await visitor.ping();
  return true;
}
