/** What a server tells its engine of sessions that negotiate: docs/wire.md, sections 1 and 2. */
import { afterEach, describe, expect, test } from 'vitest';
import { serverRoutine } from '../../../ts/control/routines.ts';
import type { ServerRoutine } from '../../../ts/engine/spec.ts';
import { Server, type ServerOptions } from '../../../ts/index.ts';
import { encodeOffer, isMarked } from '../../../ts/protocol/extension.ts';
import { decodeHello, serviceDigest, sessionKey } from '../../../ts/protocol/wire.ts';
import { RecordingEngine } from '../../helpers/recording-engine.ts';
import { ScriptedStream } from '../../helpers/scripted-stream.ts';
import { turn, until } from '../../helpers/until.ts';

const TOKEN = 't';
const AGREED = { addresses: true };
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
});

function optionsOf(more: Partial<ServerOptions> = {}): ServerOptions {
  return {
    bindAddr: '127.0.0.1:0',
    channels: 'reuse',
    defaultToken: TOKEN,
    services: { web: { bindAddr: '127.0.0.1:0' } },
    ...more,
  };
}

async function started(more: Partial<ServerOptions> = {}) {
  const recording = new RecordingEngine();
  const server = new Server(optionsOf(more), { engine: recording.engine });
  servers.push(server);
  await server.start();
  return { recording, server };
}

/** A client that says `offer` when it has got its ack. */
async function clientOf(recording: RecordingEngine, offer: Uint8Array) {
  let unread = offer;
  const stream = new ScriptedStream((written, length) => {
    if (length === 32) {
      const hello = decodeHello(written[0] ?? new Uint8Array(37));
      if (hello.kind === 'bad') throw new Error('a bad hello');
      return sessionKey(TOKEN, hello.digest);
    }
    if (unread.length < length) return 'hang';
    const bytes = unread.subarray(0, length);
    unread = unread.subarray(length);
    return bytes;
  });
  const before = recording.serverSessions.length;
  recording.handler?.control(serviceDigest('web'), stream);
  const session = await until(() => recording.serverSessions[before], 'the session');
  return { stream, session };
}

/** Negotiated. */
async function agreed(recording: RecordingEngine) {
  const client = await clientOf(recording, encodeOffer(1));
  const before = recording.resumed.length;
  client.session.handler.surplus(client.stream);
  await until(() => recording.resumed.length > before, 'the answer');
  return client;
}

/** The routines that were brought by `update`, newest last. */
function updates(recording: RecordingEngine): (ServerRoutine | undefined)[] {
  return recording.serverChanges.map(({ routine }) => routine);
}

describe('a session', () => {
  test('begins as one of v1, and is resumed with what was agreed on', async () => {
    const { recording } = await started();
    const { session } = await agreed(recording);
    const v1 = { type: 'tcp', heartbeatIntervalMs: 30_000 } as const;
    expect(session.routine).toEqual(serverRoutine(v1));
    expect(recording.resumed).toEqual([serverRoutine({ ...v1, agreement: AGREED })]);
  });

  test('offers once: what the engine does not know after that ends it', async () => {
    const { recording } = await started();
    const { session, stream } = await agreed(recording);
    session.handler.surplus(stream);
    expect(stream.ends).toEqual(['destroy control_data']);
    expect(recording.resumed).toHaveLength(1);
  });

  test('is not resumed by the offer of one that was replaced meanwhile', async () => {
    const { recording } = await started();
    const old = await clientOf(recording, encodeOffer(1));
    const read = old.stream.read.bind(old.stream);
    old.stream.read = async (length) => {
      // The rest of the offer comes when a newer session is there.
      if (length > 1) await clientOf(recording, new Uint8Array(0));
      return read(length);
    };
    old.session.handler.surplus(old.stream);
    await until(() => old.stream.written.length === 3, 'the answer that comes too late');
    await turn();
    expect(recording.resumed).toEqual([]);
  });

  test('of a server with channels = "v1" has no mark, and ends with what it does not know', async () => {
    const { recording } = await started({ channels: 'v1' });
    const { session, stream } = await clientOf(recording, encodeOffer(1));
    const hello = decodeHello(stream.written[0] ?? new Uint8Array(37));
    expect(hello.kind === 'control' && isMarked(hello.digest)).toBe(false);
    session.handler.surplus(stream);
    expect(stream.ends).toEqual(['destroy control_data']);
    expect(stream.written).toHaveLength(2);
  });
});

describe('a reload', () => {
  test('changes heartbeats, and what was agreed on stays', async () => {
    const { recording, server } = await started();
    await agreed(recording);
    await server.reload(optionsOf({ heartbeatIntervalSecs: 7 }));
    const expected = { type: 'tcp', heartbeatIntervalMs: 7_000, agreement: AGREED } as const;
    expect(updates(recording)).toEqual([serverRoutine(expected)]);
  });

  test.each([
    ['reuse', 'v1'],
    ['v1', 'reuse'],
  ] as const)('of channels from %s to %s is for sessions from then on', async (before, after) => {
    const { recording, server } = await started({ channels: before });
    const marks: boolean[] = [];
    const connect = async () => {
      const { stream, session } = await clientOf(recording, encodeOffer(1));
      const hello = decodeHello(stream.written[0] ?? new Uint8Array(37));
      marks.push(hello.kind === 'control' && isMarked(hello.digest));
      return { stream, session };
    };
    const running = await connect();
    await server.reload(optionsOf({ channels: after }));
    expect(updates(recording)).toEqual([]);
    // It was marked, or not, before the reload: so it may, or may not, still make its offer.
    running.session.handler.surplus(running.stream);
    const what = before === 'reuse' ? recording.resumed : running.stream.ends;
    await until(() => what.length === 1, 'what comes of the offer');
    await connect();
    expect(marks).toEqual([before === 'reuse', after === 'reuse']);
  });

  test('a newer session begins as one of v1 again', async () => {
    const { recording, server } = await started();
    await agreed(recording);
    const { session } = await clientOf(recording, new Uint8Array(0));
    expect(session.routine.reuse).toBeUndefined();
    await server.reload(optionsOf({ heartbeatIntervalSecs: 7 }));
    expect(updates(recording)[0]?.reuse).toBeUndefined();
  });
});

describe('close', () => {
  test('tells its deadline to those that can be told', async () => {
    const { recording, server } = await started();
    await agreed(recording);
    await server.close({ deadlineMs: 1_500 });
    const agreement = { type: 'tcp', heartbeatIntervalMs: 30_000, agreement: AGREED } as const;
    expect(updates(recording)).toEqual([serverRoutine({ ...agreement, drainMs: 1_500 })]);
  });

  test('tells nothing to a session of v1', async () => {
    const { recording, server } = await started();
    await clientOf(recording, new Uint8Array(0));
    await server.close({ deadlineMs: 1_500 });
    expect(updates(recording)).toEqual([]);
  });
});
