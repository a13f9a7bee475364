/** What a server does about certificates that are renewed, and about another transport. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TransportSpec } from '../../../ts/engine/spec.ts';
import { WarrenError } from '../../../ts/errors.ts';
import { Server, type ServerOptions } from '../../../ts/index.ts';
import { certificateFile, identity, keyFile, type LeafName } from '../../helpers/certificates.ts';
import { RecordingLog } from '../../helpers/process-log.ts';
import { RecordingEngine } from '../../helpers/recording-engine.ts';

let directory: string;
let engine: RecordingEngine;
let log: RecordingLog;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'warren-renewal-'));
  engine = new RecordingEngine();
  log = new RecordingLog();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function place(name: LeafName): void {
  copyFileSync(certificateFile(name), join(directory, 'c.pem'));
  copyFileSync(keyFile(name), join(directory, 'c.key'));
}

type Transport = NonNullable<ServerOptions['transport']>;

const tls = (): Transport => ({
  type: 'tls',
  tls: { cert: join(directory, 'c.pem'), key: join(directory, 'c.key') },
});

const options = (transport: Transport, bindAddr = '127.0.0.1:2333'): ServerOptions => ({
  bindAddr,
  defaultToken: 't',
  services: { web: { bindAddr: '127.0.0.1:0' } },
  transport,
});

async function start(transport: Transport): Promise<Server> {
  const server = new Server(options(transport), { engine: engine.engine, log });
  await server.start();
  engine.calls.length = 0;
  return server;
}

function leafOf(spec: TransportSpec | undefined): string {
  const chain = spec?.type === 'tls' ? spec.tls.identities[0]?.chain : undefined;
  return Buffer.from(chain?.[0] ?? []).toString('hex');
}

const leaf = (name: LeafName): string => Buffer.from(identity(name).chain[0] ?? []).toString('hex');

describe('certificates', () => {
  it('are shown to connections from then on, and nothing else is touched', async () => {
    place('ecdsa');
    const server = await start(tls());
    expect(leafOf(engine.listens[0]?.transport)).toBe(leaf('ecdsa'));
    place('rsa');
    await server.reloadCredentials();
    expect(engine.calls).toEqual(['update listener']);
    expect(leafOf(engine.updates[0])).toBe(leaf('rsa'));
    expect(log.all('applying the changed configuration')[0]?.fields['plan']).toEqual([
      'renewed: transport.tls.cert',
      'renewed: transport.tls.key',
    ]);
    // The same by a reload with the same options: what a changed file leads to.
    place('client');
    await server.reload(options(tls()));
    expect(engine.calls).toEqual(['update listener', 'update listener']);
    expect(leafOf(engine.updates[1])).toBe(leaf('client'));
  });

  it('that did not change change nothing', async () => {
    place('ecdsa');
    const server = await start(tls());
    await server.reloadCredentials();
    expect(engine.calls).toEqual([]);
    expect(log.all('configuration reloaded, nothing changed')).toHaveLength(1);
  });

  it('are left alone by a reload of something else: peers go on resuming their sessions', async () => {
    place('ecdsa');
    const server = await start(tls());
    await server.reload({ ...options(tls()), heartbeatIntervalSecs: 7, services: {} });
    expect(log.all('configuration applied')).toHaveLength(1);
    expect(engine.calls).toEqual([]);
  });

  it('that cannot be used leave the last good ones; mended ones are taken', async () => {
    place('ecdsa');
    const server = await start(tls());
    copyFileSync(certificateFile('rsa'), join(directory, 'c.pem'));
    const half = server.reloadCredentials();
    await expect(half).rejects.toMatchObject({ code: 'WARREN_E_CONFIG' });
    await expect(half).rejects.toThrow('does not belong to a certificate');
    writeFileSync(join(directory, 'c.key'), '');
    await expect(server.reloadCredentials()).rejects.toThrow('not PEM');
    expect(engine.calls).toEqual([]);
    copyFileSync(keyFile('rsa'), join(directory, 'c.key'));
    await server.reloadCredentials();
    expect(leafOf(engine.updates[0])).toBe(leaf('rsa'));
  });

  it('of a transport that has none: nothing to do', async () => {
    const server = await start({ type: 'tcp' });
    await server.reloadCredentials();
    expect(engine.calls).toEqual([]);
  });

  it('cannot be reloaded before start and after close', async () => {
    const server = new Server(options({ type: 'tcp' }), { engine: engine.engine });
    await expect(server.reloadCredentials()).rejects.toMatchObject({ code: 'WARREN_E_STATE' });
    await server.close({ deadlineMs: 0 });
    await expect(server.reloadCredentials()).rejects.toMatchObject({ code: 'WARREN_E_STATE' });
  });
});

describe('another transport', () => {
  it('of the same type updates the listener, of another type takes its place', async () => {
    const server = await start({ type: 'tcp' });
    await server.reload(options({ type: 'tcp', tcp: { nodelay: false } }));
    expect(engine.calls).toEqual(['update listener']);
    engine.calls.length = 0;
    await server.reload(
      options({ type: 'noise', noise: { pattern: 'Noise_XX_25519_AESGCM_SHA256' } }),
    );
    expect(engine.calls).toEqual(['close listener', 'listen']);
    expect(engine.listens.at(-1)?.transport.type).toBe('noise');
    expect(engine.listens.at(-1)?.bind).toEqual({ host: '127.0.0.1', port: 2333 });
  });

  it('that the engine refuses: back to the one before, and that is what it has then', async () => {
    const server = await start({ type: 'tcp' });
    let attempts = 0;
    engine.onListen = () => {
      attempts += 1;
      if (attempts === 1) throw new WarrenError('WARREN_E_UNSUPPORTED', 'not that one');
    };
    const websocket = { type: 'websocket' as const, websocket: { tls: false } };
    await server.reload(options(websocket));
    expect(engine.listens.at(-1)?.transport.type).toBe('tcp');
    expect(log.all('configuration applied in part')).toHaveLength(1);
    await server.reload(options(websocket));
    expect(engine.listens.at(-1)?.transport.type).toBe('websocket');
  });
});

describe('W19: a transport that does not encrypt', () => {
  const clear =
    'the tunnel is not encrypted: whoever is on the way can read it and use its session keys';

  it.each([
    ['tcp', { type: 'tcp' }, '0.0.0.0:1', 1],
    ['websocket', { type: 'websocket', websocket: { tls: false } }, '192.0.2.1:1', 1],
    ['tcp on this machine', { type: 'tcp' }, '127.0.0.1:1', 0],
    ['tcp on this machine, by name', { type: 'tcp' }, 'localhost:1', 0],
    ['tcp on this machine, IPv6', { type: 'tcp' }, '[::1]:1', 0],
    [
      'noise',
      { type: 'noise', noise: { pattern: 'Noise_XX_25519_AESGCM_SHA256' } },
      '0.0.0.0:1',
      0,
    ],
  ] as const)('%s', async (_, transport, address, count) => {
    const server = new Server(options(transport, address), { engine: engine.engine, log });
    await server.start();
    expect(log.all(clear)).toHaveLength(count);
    await server.reload({ ...options(transport, address), heartbeatIntervalSecs: 7 });
    expect(log.all(clear)).toHaveLength(count);
  });
});
