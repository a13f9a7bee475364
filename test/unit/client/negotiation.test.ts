/** What a client tells its engine of sessions that negotiate: docs/wire.md, sections 1 and 2. */
import { afterEach, describe, expect, test } from 'vitest';
import { clientRoutine } from '../../../ts/control/routines.ts';
import { Client, type ClientOptions } from '../../../ts/index.ts';
import { encodeAnswer, encodeOffer, markedNonce } from '../../../ts/protocol/extension.ts';
import { ACK_OK, encodeControlHello, sessionKey } from '../../../ts/protocol/wire.ts';
import { RecordingEngine } from '../../helpers/recording-engine.ts';
import { ScriptedStream } from '../../helpers/scripted-stream.ts';
import { until } from '../../helpers/until.ts';

const TOKEN = 't';
const MARKED = markedNonce(new Uint8Array(24).fill(5));
const STOCK = new Uint8Array(32).fill(5);
const ROUTINE = {
  type: 'tcp',
  sessionKey: sessionKey(TOKEN, MARKED),
  silenceTimeoutMs: 40_000,
} as const;
const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

function optionsOf(more: Partial<ClientOptions> = {}): ClientOptions {
  return {
    remoteAddr: '127.0.0.1:2333',
    channels: 'reuse',
    defaultToken: TOKEN,
    services: { web: { localAddr: '127.0.0.1:9' } },
    ...more,
  };
}

/** A server that says `answer` behind its ack. */
function serverOf(nonce: Uint8Array, answer: Uint8Array): ScriptedStream {
  const script = Buffer.concat([encodeControlHello(nonce), ACK_OK, answer]);
  let at = 0;
  return new ScriptedStream((_written, length) => {
    if (at + length > script.length) return 'hang';
    at += length;
    return Uint8Array.from(script.subarray(at - length, at));
  });
}

async function started(
  nonce: Uint8Array,
  answer: Uint8Array = new Uint8Array(0),
  more: Partial<ClientOptions> = {},
) {
  const recording = new RecordingEngine();
  const streams: ScriptedStream[] = [];
  recording.onDial = () => {
    const stream = serverOf(nonce, answer);
    streams.push(stream);
    return Promise.resolve(stream);
  };
  const client = new Client(optionsOf(more), { engine: recording.engine });
  clients.push(client);
  await client.start();
  const session = await until(() => recording.sessions[0], 'the session');
  const stream = streams[0];
  if (stream === undefined) throw new Error('no stream');
  return { recording, client, session, stream, streams };
}

/** Negotiated. */
async function agreed() {
  const all = await started(MARKED, encodeAnswer(1));
  all.session.handler.surplus(all.stream);
  await until(() => all.recording.resumed.length === 1, 'the answer');
  return all;
}

describe('a session', () => {
  test('offers to a marked server, behind the ack, and is resumed with the answer', async () => {
    const { stream, session, recording } = await agreed();
    expect(stream.written.map(({ length }) => length)).toEqual([37, 32, 16]);
    expect(stream.written[2]).toEqual(encodeOffer(1));
    expect(session.routine).toEqual(clientRoutine({ ...ROUTINE, extension: 'offered' }));
    const agreement = { addresses: true };
    expect(recording.resumed).toEqual([clientRoutine({ ...ROUTINE, extension: agreement })]);
  });

  test.each([
    ['a server without the mark', STOCK, 'reuse'],
    ['a marked server with channels = "v1"', MARKED, 'v1'],
  ] as const)('offers nothing to %s', async (_name, nonce, channels) => {
    const { stream, session } = await started(nonce, encodeAnswer(1), { channels });
    expect(stream.written.map(({ length }) => length)).toEqual([37, 32]);
    expect(session.routine.reuse).toBeUndefined();
    // So its answer is no command that is known.
    session.handler.surplus(stream);
    expect(stream.ends).toEqual(['destroy control_data']);
  });

  test('has one answer', async () => {
    const { session, stream, recording } = await agreed();
    session.handler.surplus(stream);
    expect(stream.ends).toEqual(['destroy control_data']);
    expect(recording.resumed).toHaveLength(1);
  });

  test.each([
    ['a feature that was not offered', encodeAnswer(2)],
    ['another command', Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0)],
  ])('ends with an answer of %s', async (_name, answer) => {
    const { session, stream, recording } = await started(MARKED, answer);
    session.handler.surplus(stream);
    await until(() => stream.ends.length > 0, 'the end');
    expect(stream.ends).toEqual(['destroy control_data']);
    expect(recording.resumed).toEqual([]);
  });
});

describe('a reload', () => {
  test('changes the supervision, and what was agreed on stays', async () => {
    const { client, recording } = await agreed();
    await client.reload(optionsOf({ heartbeatTimeoutSecs: 7 }));
    const after = { ...ROUTINE, silenceTimeoutMs: 7_000, extension: { addresses: true } };
    expect(recording.changes.at(-1)?.routine).toEqual(clientRoutine(after));
  });

  test('keeps an offer that is not answered', async () => {
    const { client, recording } = await started(MARKED);
    await client.reload(optionsOf({ heartbeatTimeoutSecs: 7 }));
    const after = { ...ROUTINE, silenceTimeoutMs: 7_000, extension: 'offered' } as const;
    expect(recording.changes.at(-1)?.routine).toEqual(clientRoutine(after));
  });

  test('of channels is for sessions from then on', async () => {
    const { client, recording, session, streams } = await agreed();
    await client.reload(optionsOf({ channels: 'v1' }));
    expect(recording.changes.at(-1)?.routine?.reuse?.frames).toBeDefined();
    expect(recording.calls).not.toContain('detach service_closed');
    session.handler.ended('control_eof');
    await until(() => recording.sessions[1], 'the next session');
    expect(recording.sessions[1]?.routine.reuse).toBeUndefined();
    expect(streams[1]?.written.map(({ length }) => length)).toEqual([37, 32]);
  });
});

describe('close', () => {
  test('tells its deadline to a server that can be told', async () => {
    const { client, recording } = await agreed();
    await client.close({ deadlineMs: 1_500 });
    const agreement = { ...ROUTINE, extension: { addresses: true }, drainMs: 1_500 };
    expect(recording.changes).toEqual([{ routine: clientRoutine(agreement) }]);
  });

  test.each([
    ['of v1', STOCK],
    ['that was not answered', MARKED],
  ])('tells nothing on a session %s', async (_name, nonce) => {
    const { client, recording } = await started(nonce);
    await client.close({ deadlineMs: 1_500 });
    expect(recording.changes).toEqual([]);
  });
});
