/** The WebSocket transport with a real nginx between client and server. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { rootFile } from '../helpers/certificates.ts';
import { NGINX, startNginx } from '../helpers/nginx.ts';
import { logLine, logRecords } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, echoBlob, UdpVisitor, upload } from '../helpers/program-visitor.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const SIZE = 4 * 1_048_576;
const PATH = '/hidden/tunnel';
const REFUSED = 'cannot connect to the server, will retry';
const resources = new Resources();
afterEach(() => resources.close());

interface Behind {
  readonly tls: boolean;
  /** What the client asks for; default: the path that nginx passes on. */
  readonly path?: string;
  readonly comesUp?: boolean;
}

async function open({ tls, path = PATH, comesUp = true }: Behind) {
  const local = await startLocalTcp(resources);
  const localUdp = await startLocalUdp(resources);
  const upstream = await freePort();
  const nginx = await startNginx(resources, { upstream, path: PATH, tls });
  const keys = (role: string, websocketPath: string, isTls: boolean): string => `
[${role}.transport]
type = "websocket"
[${role}.transport.websocket]
tls = ${isTls}
path = "${websocketPath}"
`;
  const client = `${keys('client', path, tls)}headers = { X-Site = "first one" }
${tls ? `[client.transport.tls]\ntrusted_root = "${rootFile()}"\nhostname = "localhost"\n` : ''}`;
  const tunnel = await Tunnel.open(resources, {
    server: 'warren',
    client: 'warren',
    services: { web: { local: local.port }, dns: { type: 'udp', local: localUdp.port } },
    serverKeys: keys('server', PATH, false),
    clientKeys: client,
    controlPort: upstream,
    remote: () => `127.0.0.1:${nginx.port}`,
    ...(comesUp ? {} : { awaited: [] }),
  });
  return { tunnel, nginx };
}

describe.skipIf(NGINX === undefined).each([
  { name: 'plain', tls: false },
  { name: 'TLS ends at nginx', tls: true },
])('nginx in front of the server, $name', ({ tls }) => {
  test('carries tcp and udp services by its path', async () => {
    const { tunnel } = await open({ tls });
    expect(await echoBlob(tunnel.port('web'), SIZE)).toBe(blobDigest(SIZE));
    const visitors = await Promise.all(
      Array.from({ length: 30 }, () => EchoVisitor.open(resources, tunnel.port('web'))),
    );
    await Promise.all(visitors.map((visitor) => visitor.ping()));
    await (await UdpVisitor.open(resources, tunnel.port('dns'))).warmUp();
  });

  test('passes on the end of one direction: both ends know that they are warren', async () => {
    const { tunnel } = await open({ tls });
    expect(await upload(tunnel.port('web'), SIZE)).toBe(blobDigest(SIZE));
  });

  test('configured headers arrive, and the host as it was asked for', async () => {
    const { tunnel, nginx } = await open({ tls });
    await tunnel.client.stop();
    const line = await until('a request', () =>
      readFileSync(join(nginx.folder, 'requests'), 'utf8')
        .split('\n')
        .find((each) => each.startsWith(`${PATH} 101`)),
    );
    expect(line).toBe(`${PATH} 101 x-site=first one host=127.0.0.1:${nginx.port}`);
  });

  test('W4: a path that nginx does not know is upgrade_refused, tried again after a pause', async () => {
    const { tunnel } = await open({ tls, path: '/elsewhere', comesUp: false });
    const { client } = tunnel;
    const refused = logLine(REFUSED, { reason: 'upgrade_refused' });
    expect((await client.waitFor('the refusal', refused))['error']).toContain('404');
    const waiting = 'waiting before the next attempt';
    await client.waitFor('a pause', logLine(waiting));
    for (const { delayMs } of logRecords(client, waiting)) expect(delayMs).toBeGreaterThan(300);
    expect(client.running).toBe(true);
  });

  test('W4: 502 while the server is down ends nothing: it is served again afterwards', async () => {
    const { tunnel } = await open({ tls });
    await EchoVisitor.open(resources, tunnel.port('web'));
    await tunnel.server.kill();
    const { client } = tunnel;
    const refused = logLine(REFUSED, { reason: 'upgrade_refused' });
    expect((await client.waitFor('the refusal', refused))['error']).toContain('502');
    const mark = client.mark;
    await tunnel.restart('server');
    await tunnel.up(0, mark);
    await until('a visitor to be served', async () => {
      await EchoVisitor.open(resources, tunnel.port('web'));
      return true;
    });
    expect(client.running).toBe(true);
  });
});
