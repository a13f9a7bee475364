/** wire-v1 section 6, W37: TCP_NODELAY and keepalive on every socket, whatever carries the tunnel. */
import { afterEach, expect, test } from 'vitest';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor } from '../helpers/program-visitor.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';
import { TRANSPORTS, transportLines } from '../helpers/transport-cases.ts';
import { makeWitness, type WitnessedSocket } from '../helpers/witness.ts';

const resources = new Resources();
afterEach(() => resources.close());

const BOTH = { nodelay: 1, keepalive: 1 };

test.for(TRANSPORTS)(
  'W37: visitor, tunnel and local sockets have both, %s',
  async (name, { skip }) => {
    const [atServer, atClient] = [makeWitness(resources), makeWitness(resources)];
    if (atServer === undefined || atClient === undefined) return skip('nobody can watch here');
    const local = await startLocalTcp(resources);
    const lines = transportLines(name);
    const tunnel = await Tunnel.open(resources, {
      server: 'warren',
      client: 'warren',
      services: { web: { local: local.port } },
      serverKeys: lines.server,
      clientKeys: lines.client,
      serverEnv: atServer.env,
      clientEnv: atClient.env,
    });
    const visitor = await EchoVisitor.open(resources, tunnel.port('web'));
    const ofVisitor = ({ how, port }: WitnessedSocket) =>
      how === 'accept' && port === visitor.socket.localPort;
    const toLocal = ({ how, port }: WitnessedSocket) => how === 'connect' && port === local.port;
    const toServer = ({ how, port }: WitnessedSocket) =>
      how === 'connect' && port === tunnel.controlPort;
    expect(
      (await socketOf('the visitor', () => atServer.sockets().find(ofVisitor))).options,
    ).toMatchObject({ ...BOTH, keepaliveIdleSecs: 60 });
    expect(
      (await socketOf('the local service', () => atClient.sockets().find(toLocal))).options,
    ).toMatchObject({ ...BOTH, keepaliveIdleSecs: 60 });
    // The last of them are data channels; the first may have met a server that was not up yet.
    const dialled = atClient.sockets().filter(toServer).at(-1);
    expect(dialled?.options).toMatchObject({ ...BOTH, keepaliveIdleSecs: 20 });
    const accepted = atServer.sockets().filter((it) => it.how === 'accept' && !ofVisitor(it));
    expect(accepted.at(-1)?.options).toMatchObject({ ...BOTH, keepaliveIdleSecs: 20 });
  },
);

/** Its options may be set a moment after it was there. */
function socketOf(what: string, find: () => WitnessedSocket | undefined): Promise<WitnessedSocket> {
  return until(`options of ${what}`, () => {
    const found = find();
    return found?.options.nodelay !== undefined && found.options.keepalive !== undefined
      ? found
      : undefined;
  });
}
