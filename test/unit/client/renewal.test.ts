/** What a client does about certificates that are renewed, and when it asks again after a failure. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DialSpec } from '../../../ts/engine/spec.ts';
import { WarrenError } from '../../../ts/errors.ts';
import { Client, type ClientOptions } from '../../../ts/index.ts';
import { encodeControlHello } from '../../../ts/protocol/wire.ts';
import { rootFile, roots } from '../../helpers/certificates.ts';
import { RecordingLog } from '../../helpers/process-log.ts';
import { until } from '../../helpers/process-resources.ts';
import { RecordingEngine } from '../../helpers/recording-engine.ts';
import { ScriptedStream } from '../../helpers/scripted-stream.ts';

/** Pauses that were asked for; none ends but by its abort. */
const pauses = vi.hoisted(() => ({ asked: [] as number[] }));
vi.mock('../../../ts/sleep.ts', () => ({
  sleep: (ms: number, signal: AbortSignal): Promise<void> => {
    pauses.asked.push(ms);
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
  },
}));

let directory: string;
let engine: RecordingEngine;
let log: RecordingLog;
let client: Client;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'warren-renewal-'));
  engine = new RecordingEngine();
  log = new RecordingLog();
  pauses.asked.length = 0;
});
afterEach(async () => {
  await client.close({ deadlineMs: 0 });
  rmSync(directory, { recursive: true, force: true });
});

const root = (): string => join(directory, 'root.pem');

const options = (tls: object = { trustedRoot: root() }): ClientOptions => ({
  remoteAddr: 'tunnel.test:1',
  defaultToken: 't',
  services: { web: { localAddr: '127.0.0.1:80' } },
  transport: { type: 'tls', tls },
});

/** A server that accepts whoever comes. */
function accepting(): Promise<ScriptedStream> {
  const answer = (_: unknown, length: number) =>
    length === 37 ? encodeControlHello(new Uint8Array(32)) : new Uint8Array(length);
  return Promise.resolve(new ScriptedStream(answer));
}

async function start(): Promise<void> {
  copyFileSync(rootFile('other-ca'), root());
  client = new Client(options(), { engine: engine.engine, log });
  await client.start();
}

function rootsOf(dial: DialSpec | undefined): string[] {
  const list = dial?.transport.type === 'tls' ? dial.transport.tls.roots : [];
  return list.map((der) => Buffer.from(der).toString('hex'));
}

const expected = (name: 'ca' | 'other-ca'): string[] =>
  roots(name).map((der) => Buffer.from(der).toString('hex'));

describe('certificates', () => {
  it('are used for connections from then on, and the session goes on', async () => {
    engine.onDial = accepting;
    await start();
    await until('the session', () => engine.sessions[0]);
    expect(rootsOf(engine.sessions[0]?.dial)).toEqual(expected('other-ca'));
    copyFileSync(rootFile('ca'), root());
    await client.reloadCredentials();
    expect(engine.calls).toEqual(['dial']);
    expect(client.isConnected('web')).toBe(true);
    expect(rootsOf(engine.changes.at(-1)?.dial)).toEqual(expected('ca'));
    // A file under another name is the same to a session.
    const other = join(directory, 'other.pem');
    copyFileSync(rootFile('other-ca'), other);
    await client.reload(options({ trustedRoot: other }));
    expect(engine.calls).toEqual(['dial']);
    expect(rootsOf(engine.changes.at(-1)?.dial)).toEqual(expected('other-ca'));
    // Another name for the server is not.
    await client.reload(options({ trustedRoot: other, hostname: 'x' }));
    expect(engine.calls).toEqual(['dial', 'detach service_closed']);
    expect(engine.changes.at(-1)?.dial).toBeUndefined();
  });

  it('are left alone by a reload of something else: TLS sessions go on being resumed', async () => {
    engine.onDial = accepting;
    await start();
    await until('the session', () => engine.sessions[0]);
    const services = { web: { localAddr: '127.0.0.1:80' }, more: { localAddr: '127.0.0.1:81' } };
    await client.reload({ ...options(), heartbeatTimeoutSecs: 7, services });
    const more = await until('the other session', () => engine.sessions[1]);
    expect(more.dial).toBe(engine.sessions[0]?.dial);
  });

  it('end a pause: what was refused may be accepted now', async () => {
    engine.onDial = () =>
      Promise.reject(
        new WarrenError('WARREN_E_TRANSPORT', 'an unknown authority', {
          reason: 'certificate_refused',
        }),
      );
    await start();
    await until('the pause', () => pauses.asked[0]);
    engine.onDial = accepting;
    copyFileSync(rootFile('ca'), root());
    await client.reloadCredentials();
    const session = await until('the session', () => engine.sessions[0]);
    expect(rootsOf(session.dial)).toEqual(expected('ca'));
    expect(rootsOf(engine.dials[1])).toEqual(expected('ca'));
  });

  it('that cannot be used leave the last good ones', async () => {
    engine.onDial = accepting;
    await start();
    await until('the session', () => engine.sessions[0]);
    rmSync(root());
    await expect(client.reloadCredentials()).rejects.toMatchObject({ code: 'WARREN_E_CONFIG' });
    expect(engine.changes).toEqual([]);
    expect(client.isConnected('web')).toBe(true);
  });
});

describe('a handshake that failed', () => {
  it.each([
    ['tls_failed', 1_000],
    ['certificate_refused', 1_000],
    ['noise_failed', 1_000],
    ['key_mismatch', 1_000],
    ['upgrade_refused', 500],
    ['proxy_refused', 500],
    ['handshake_eof', 500],
  ] as const)('%s: the pause is about %i ms', async (reason, pause) => {
    engine.onDial = () =>
      Promise.reject(new WarrenError('WARREN_E_TRANSPORT', 'what was wrong', { reason }));
    await start();
    const asked = await until('the pause', () => pauses.asked[0]);
    expect(asked).toBeGreaterThanOrEqual(pause * 0.8);
    expect(asked).toBeLessThanOrEqual(pause * 1.2);
    const [line] = log.all('cannot connect to the server, will retry');
    expect(line?.fields).toMatchObject({ reason, error: 'what was wrong', service: 'web' });
  });
});
