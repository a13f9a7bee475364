/**
 * Byte for byte: what warren's client sends beside what rathole 0.5.0's client sends for the same file,
 * and what warren's server sends beside what rathole's server sends, seen by a recording proxy. Towards
 * rathole warren would reuse channels if it could; two warrens do not if one is told so.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { isMarked } from '../../ts/protocol/extension.ts';
import type { Recorder, Recording } from '../helpers/process-recorder.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { echoes, exchange, UdpVisitor } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { type Program, Tunnel } from '../helpers/rathole-tunnel.ts';
import { CREATE, hello, sha256, u32, udpFrame } from '../helpers/rathole-wire.ts';

const TOKEN = 'interop';
const AUTH_END = 69;
const HELLO_LENGTH = 37;
const VISITORS = 20;
const resources = new Resources();
afterEach(() => resources.close());

interface Recorded {
  readonly tunnel: Tunnel;
  readonly recorder: Recorder;
  readonly control: Recording;
  readonly nonce: Buffer;
  readonly key: Buffer;
}

interface Pair {
  readonly server: Program;
  readonly client: Program;
  readonly channels: { readonly server?: string; readonly client?: string };
}

/** The line of one end; rathole knows no such key. */
function channelsLine(mode: string | undefined): string {
  return mode === undefined ? '' : `channels = "${mode}"`;
}

async function record({ server, client, channels }: Pair, type: 'tcp' | 'udp'): Promise<Recorded> {
  const local = await (type === 'tcp' ? startLocalTcp(resources) : startLocalUdp(resources));
  const tunnel = await Tunnel.open(resources, {
    server,
    client,
    services: { shape: { type, local: local.port } },
    serverKeys: `heartbeat_interval = 1\n${channelsLine(channels.server)}`,
    clientKeys: channelsLine(channels.client),
    recorded: true,
  });
  const { recorder } = tunnel;
  // Earlier ones are attempts while the server was starting.
  const control = recorder?.ofKind(0).at(-1);
  if (recorder === undefined || control === undefined) throw new Error('nothing was recorded');
  const nonce = control.down.subarray(5, HELLO_LENGTH);
  return { tunnel, recorder, control, nonce, key: sha256(TOKEN, nonce) };
}

const PAIRS: readonly Pair[] = [
  { server: 'rathole', client: 'rathole', channels: {} },
  { server: 'rathole', client: 'warren', channels: { client: 'reuse' } },
  { server: 'warren', client: 'rathole', channels: { server: 'reuse' } },
  { server: 'warren', client: 'warren', channels: { server: 'v1', client: 'reuse' } },
  { server: 'warren', client: 'warren', channels: { server: 'reuse', client: 'v1' } },
];
const TITLE = '$server server, $client client, channels $channels';

describe.skipIf(RATHOLE === undefined).each(PAIRS)(TITLE, (pair) => {
  test('the control channel is 69 bytes up, then never written to again', async () => {
    const { tunnel, control, key } = await record(pair, 'tcp');
    const port = tunnel.port('shape');
    for (let i = 0; i < VISITORS; i++) expect(await echoes(port)).toBe(true);
    const heartbeats = () =>
      control.down.subarray(HELLO_LENGTH).filter((byte) => byte === 1).length >= 2;
    await until('two heartbeats', heartbeats);
    expect(control.up).toEqual(Buffer.concat([hello(0, sha256('shape')), key]));
    expect(control.up).toHaveLength(AUTH_END);
    expect(control.ended).toBe(false);
    // What a stock client cannot tell from any other nonce.
    expect(isMarked(control.down.subarray(5, HELLO_LENGTH))).toBe(pair.channels.server === 'reuse');
  });

  test('down the control channel come hello, ack and nothing but commands', async () => {
    const { tunnel, control, nonce } = await record(pair, 'tcp');
    expect(await echoes(tunnel.port('shape'))).toBe(true);
    const head = Buffer.concat([hello(0, nonce), u32(0), u32(CREATE)]);
    expect(control.down.subarray(0, head.length)).toEqual(head);
    // A prefill of 8, and one for the visitor.
    await until('the pool', () => control.down.length >= HELLO_LENGTH + 4 + 9 * 4);
    const commands = control.down.subarray(HELLO_LENGTH + 4);
    expect(commands.length % 4).toBe(0);
    for (let at = 0; at < commands.length; at += 4) {
      expect(commands.readUInt32LE(at)).toBeLessThanOrEqual(1);
    }
  });

  test('a tcp data channel is hello and bytes up, start and bytes down', async () => {
    const { tunnel, recorder, key } = await record(pair, 'tcp');
    const text = 'E through a data channel';
    expect((await exchange(tunnel.port('shape'), text)).toString()).toBe(text.slice(1));
    const channels = recorder.ofKind(1);
    const shown = hello(1, key);
    for (const { up } of channels) expect(up.subarray(0, shown.length)).toEqual(shown);
    const used = await until('the used channel to end', () =>
      channels.find(({ down, ended }) => ended && down.length > 0),
    );
    expect(used.up).toEqual(Buffer.concat([shown, Buffer.from(text.slice(1))]));
    expect(used.down).toEqual(Buffer.concat([u32(0), Buffer.from(text)]));
  });

  test('a udp data channel is hello and frames up, start and frames down', async () => {
    const { tunnel, recorder, key } = await record(pair, 'udp');
    const visitor = await UdpVisitor.open(resources, tunnel.port('shape'));
    await visitor.warmUp();
    const answers: Buffer[] = [];
    for (const payload of ['frame', '', 'x'.repeat(1_000)])
      answers.push(await visitor.ask(payload));
    expect(answers.map(({ length }) => length)).toEqual([5, 0, 1_000]);
    const frames = Buffer.concat(answers.map((it) => udpFrame('127.0.0.1', visitor.port, it)));
    const used = recorder.ofKind(1).find(({ down }) => down.length > 4);
    expect(used?.up.subarray(0, HELLO_LENGTH)).toEqual(hello(1, key));
    expect(used?.down.subarray(0, 4)).toEqual(u32(1));
    // Behind the frames of the warming up.
    expect(used?.up.subarray(-frames.length)).toEqual(frames);
    expect(used?.down.subarray(-frames.length)).toEqual(frames);
  });
});
