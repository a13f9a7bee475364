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
    const isTunnel = (it: WitnessedSocket) => it.how === 'accept' && !ofVisitor(it);
    // The last of the tunnel's are data channels; the first may have met a server that was not up.
    const cases = [
      ['the visitor', () => atServer.sockets().find(ofVisitor), 60],
      ['the local service', () => atClient.sockets().find(toLocal), 60],
      ['a channel, dialled', () => atClient.sockets().filter(toServer).at(-1), 20],
      ['a channel, accepted', () => atServer.sockets().filter(isTunnel).at(-1), 20],
    ] as const;
    for (const [what, find, keepaliveIdleSecs] of cases) {
      const expected = { nodelay: 1, keepalive: 1, keepaliveIdleSecs };
      expect(await optionsOf(what, find), what).toMatchObject(expected);
    }
  },
);

/** They may be set a moment after it was there. */
function optionsOf(
  what: string,
  find: () => WitnessedSocket | undefined,
): Promise<WitnessedSocket['options']> {
  return until(`options of ${what}`, () => {
    const { nodelay, keepalive, keepaliveIdleSecs } = find()?.options ?? {};
    const isSet = [nodelay, keepalive, keepaliveIdleSecs].every((value) => value !== undefined);
    return isSet && find()?.options;
  });
}
