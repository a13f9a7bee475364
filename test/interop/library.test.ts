/** The library's Server and Client against the other end's real program. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Client, Server } from '../../ts/index.ts';
import { RecordingLog } from '../helpers/process-log.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { startRathole } from '../helpers/rathole-tunnel.ts';

const resources = new Resources();
afterEach(() => resources.close());

function configFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-library-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'rathole.toml');
  writeFileSync(file, text);
  return file;
}

describe.skipIf(RATHOLE === undefined)('the library', () => {
  test('a Server counts what a rathole client carries', async () => {
    const local = await startLocalTcp(resources);
    const log = new RecordingLog();
    const server = new Server(
      {
        bindAddr: '127.0.0.1:0',
        services: { web: { bindAddr: '127.0.0.1:0', token: 'library' } },
      },
      { log, accessLog: true },
    );
    resources.use(server);
    await server.start();
    const file = configFile(
      `[client]\nremote_addr = "127.0.0.1:${server.address?.port}"\n` +
        `[client.services.web]\ntoken = "library"\nlocal_addr = "127.0.0.1:${local.port}"\n`,
    );
    startRathole(resources, 'rathole client', file);
    const { port } = await until('the address', () => server.serviceAddress('web'));
    const visitor = await EchoVisitor.open(resources, port);
    expect(server.stats().services[0]).toMatchObject({ visitorsOpen: 1, service: 'web' });
    await visitor.finish();
    const { fields } = await log.waitFor('visitor', { service: 'web' });
    expect(fields).toMatchObject({ bytesIn: 8, bytesOut: 7, reason: 'visitor_fin' });
    await server.close({ deadlineMs: 1_000 });
    expect(server.serviceAddress('web')).toBeUndefined();
  });

  test('a Client is connected to a rathole server, and no longer after its end', async () => {
    const local = await startLocalTcp(resources);
    const [port, publicPort] = [await freePort(), await freePort()];
    const file = configFile(
      `[server]\nbind_addr = "127.0.0.1:${port}"\n` +
        `[server.services.web]\ntoken = "library"\nbind_addr = "127.0.0.1:${publicPort}"\n`,
    );
    const rathole = startRathole(resources, 'rathole server', file);
    const client = new Client({
      remoteAddr: `127.0.0.1:${port}`,
      services: { web: { localAddr: `127.0.0.1:${local.port}`, token: 'library' } },
    });
    resources.use(client);
    await client.start();
    await until('a visitor to be served', () => echoes(publicPort));
    expect(client.isConnected('web')).toBe(true);
    await rathole.kill();
    await until('the end to be noticed', () => !client.isConnected('web'));
    await client.close({ deadlineMs: 1_000 });
  });
});
