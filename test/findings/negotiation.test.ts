/**
 * docs/wire.md, section 1, against a peer that is played by hand: what a negotiation may be, and what
 * hostile ones come to. Sessions beside them are not touched.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { isMarked } from '../../ts/protocol/extension.ts';
import { ANSWER, markedNonce, OFFER, stockNonce, WRN1 } from '../helpers/peer-negotiation.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp } from '../helpers/program-local.ts';
import { openClient, TestServer, TOKEN } from '../helpers/rathole-roles.ts';
import {
  ACK_BAD_TOKEN,
  CREATE,
  handshake,
  hello,
  sha256,
  TCP,
  u32,
  Wire,
} from '../helpers/rathole-wire.ts';

const REUSED = 'data channels are reused';

const resources = new Resources();
afterEach(() => resources.close());

function changed(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other[at] = (other[at] ?? 0) ^ 0x40;
  return other;
}

/** A server with a service for each of so many clients, and one that is not touched. */
async function serverOf(count: number, more: object = {}) {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const services = Object.fromEntries([...names, 'web'].map((name) => [name, 'tcp' as const]));
  const server = await TestServer.open(resources, { services, channels: 'reuse', ...more });
  const beside = await server.client('web');
  const untouched = async (): Promise<void> => {
    expect(beside.control.isOpen).toBe(true);
    expect(server.log.all('client disconnected', { service: 'web' })).toEqual([]);
    await server.visitorPort('web');
  };
  return { server, names, untouched };
}

/** What comes behind the commands of v1. */
async function readAnswer(control: Wire): Promise<Buffer> {
  for (;;) {
    const command = await control.read(4, 'a command');
    if (command.equals(WRN1)) return Buffer.concat([command, await control.read(4, 'features')]);
    if (command.readUInt32LE() > 1) throw new Error(`no command of v1: ${command.toString('hex')}`);
  }
}

describe('an offer to a server', () => {
  test('is answered with what both can do', async () => {
    const { server } = await serverOf(0);
    const { control } = await server.client();
    control.write(Buffer.concat([WRN1, u32(0xffff_ffff), Buffer.alloc(8)]));
    expect(await readAnswer(control)).toEqual(ANSWER);
    await server.log.waitFor(REUSED, { service: 'web', channels: 'reuse', addresses: true });
    expect(control.isOpen).toBe(true);
    control.socket.end();
    await server.log.waitFor('client disconnected', { service: 'web', channels: 'reuse' });
  });

  test('may come byte by byte', async () => {
    const { server } = await serverOf(0);
    const { control } = await server.client();
    for (const byte of OFFER) {
      control.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await readAnswer(control)).toEqual(ANSWER);
  });

  test('may come with the auth, before the ack', async () => {
    const { server } = await serverOf(1);
    const { control, key } = await unauthenticated(server.port, 's0');
    control.write(Buffer.concat([key, OFFER]));
    expect(await control.readU32('the ack')).toBe(0);
    expect(await readAnswer(control)).toEqual(ANSWER);
  });

  test('that falls silent after any byte ends the session in time', async () => {
    const limits = { handshakeTimeoutMs: 200 };
    const { server, names, untouched } = await serverOf(OFFER.length - 1, { limits });
    for (const [index, name] of names.entries()) {
      const { control } = await server.client(name);
      control.write(OFFER.subarray(0, index + 1));
    }
    for (const service of names) {
      await server.log.waitFor('client disconnected', { service, reason: 'control_data' });
    }
    expect(server.log.all(REUSED)).toEqual([]);
    await untouched();
  });

  test.each(['FIN', 'RST'])('that is cut by %s after any byte ends the session', async (how) => {
    const { server, names, untouched } = await serverOf(OFFER.length - 1);
    for (const [index, name] of names.entries()) {
      const { control } = await server.client(name);
      control.write(OFFER.subarray(0, index + 1));
      if (how === 'FIN') control.socket.end();
      else control.reset();
    }
    for (const service of names) await server.log.waitFor('client disconnected', { service });
    expect(server.log.all(REUSED)).toEqual([]);
    await untouched();
  });

  test('with a wrong byte in its magic or its tail ends the session', async () => {
    const wrong = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15].map((at) => changed(OFFER, at));
    const { server, names, untouched } = await serverOf(wrong.length);
    for (const [index, service] of names.entries()) {
      const { control } = await server.client(service);
      control.write(wrong[index] ?? OFFER);
      await server.log.waitFor('client disconnected', { service, reason: 'control_data' });
    }
    expect(server.log.all(REUSED)).toEqual([]);
    await untouched();
  });

  test.each([
    ['another offer', OFFER],
    ['a frame that is too long', Buffer.from([9, 1, 16, 0])],
  ])('with %s behind it ends the session', async (_name, behind) => {
    const { server, names, untouched } = await serverOf(2);
    const [together, apart] = await Promise.all(names.map((name) => server.client(name)));
    together?.control.write(Buffer.concat([OFFER, behind]));
    apart?.control.write(OFFER);
    if (apart !== undefined) await readAnswer(apart.control);
    apart?.control.write(behind);
    for (const service of names) {
      await server.log.waitFor('client disconnected', { service, reason: 'control_data' });
    }
    await untouched();
  });

  test('of channels = "v1" is none: no mark, and its bytes end the session', async () => {
    const { server, untouched } = await serverOf(1, { channels: 'v1' });
    const { control, key, nonce } = await unauthenticated(server.port, 's0');
    expect(isMarked(nonce)).toBe(false);
    control.write(key);
    expect(await control.readU32('the ack')).toBe(0);
    control.write(OFFER);
    await server.log.waitFor('client disconnected', { service: 's0', reason: 'control_data' });
    await untouched();
  });

  test('of a client whose token is wrong, or service unknown, is not read', async () => {
    const { server, untouched } = await serverOf(0);
    for (const service of ['web', 'no such service']) {
      const { control } = await handshake({ port: server.port, service, token: 'no', resources });
      control.write(OFFER);
      await control.end('the refusal');
      expect(control.unread).toHaveLength(0);
    }
    expect(server.log.all(REUSED)).toEqual([]);
    await untouched();
  });
});

/** A control channel whose auth is still to be sent. */
async function unauthenticated(port: number, service: string) {
  const control = await Wire.connect(resources, port);
  control.write(hello(0, sha256(service)));
  const { digest } = await control.readHello();
  return { control, nonce: digest, key: sha256(TOKEN, digest) };
}

describe('a client with channels = "reuse"', () => {
  /** Connected to a marked server that has acked and read its offer. */
  async function offered(more: object = {}) {
    const local = await startLocalTcp(resources);
    const options = { local: local.port, channels: 'reuse', ...more } as const;
    const all = await openClient(resources, options);
    const control = await authenticated(all.peer.accept('a control channel'));
    control.write(u32(0));
    expect(await control.read(OFFER.length, 'an offer')).toEqual(OFFER);
    return { ...all, control };
  }

  async function authenticated(accepted: Promise<Wire>): Promise<Wire> {
    const control = await accepted;
    await control.readHello();
    control.write(hello(0, markedNonce()));
    await control.read(32, 'auth');
    return control;
  }

  async function served(channel: Wire): Promise<void> {
    channel.write(Buffer.concat([u32(TCP), Buffer.from('E through')]));
    expect((await channel.read(8)).toString()).toBe(' through');
  }

  test('offers behind the ack, and not before', async () => {
    const { peer } = await openClient(resources, { local: 9, channels: 'reuse' });
    const control = await authenticated(peer.accept());
    control.write(u32(ACK_BAD_TOKEN));
    await control.end('the client to leave');
    expect(control.unread).toHaveLength(0);
  });

  test('goes on with v1 where no answer comes', async () => {
    const { peer, control, log } = await offered({ limits: { handshakeTimeoutMs: 50 } });
    const first = await peer.channel(control);
    await served(first);
    // Longer than an answer that has begun may take.
    const since = Date.now();
    await until('the time of an answer to be over', () => Date.now() - since > 100);
    await served(await peer.channel(control));
    expect(control.isOpen).toBe(true);
    expect(control.unread).toHaveLength(0);
    expect(log.all(REUSED)).toEqual([]);
  });

  test('obeys commands before the answer, and takes the answer in pieces', async () => {
    const { peer, control, log } = await offered();
    control.write(Buffer.concat([u32(CREATE), u32(CREATE), ANSWER.subarray(0, 5)]));
    await peer.accept('a data channel');
    await peer.accept('another');
    control.write(ANSWER.subarray(5));
    await log.waitFor(REUSED, { service: 'web', channels: 'reuse', addresses: true });
    control.socket.end();
    await log.waitFor('service disconnected', { channels: 'reuse' });
  });

  test('takes an answer without features', async () => {
    const { control, log } = await offered();
    control.write(Buffer.concat([WRN1, u32(0)]));
    await log.waitFor(REUSED, { addresses: false });
  });

  test.each([
    ['a feature that was not offered', Buffer.concat([WRN1, u32(3)])],
    ['the highest feature', Buffer.concat([WRN1, u32(0x8000_0000)])],
    ['an unknown command', Buffer.concat([u32(2), u32(1)])],
    ['another magic', Buffer.concat([changed(WRN1, 3), u32(1)])],
  ])('ends the session with an answer of %s, and comes again', async (_name, answer) => {
    const { control, log, peer } = await offered();
    control.write(answer);
    await log.waitFor('service disconnected', { reason: 'control_data', channels: 'v1' });
    await control.end('the session to end');
    await peer.accept('another attempt');
  });

  test('ends the session with half an answer, in time', async () => {
    const { control, log } = await offered({ limits: { handshakeTimeoutMs: 100 } });
    control.write(ANSWER.subarray(0, 7));
    await log.waitFor('service disconnected', { reason: 'control_data' });
  });

  test('ends the session with an answer that is cut', async () => {
    const { control, log } = await offered();
    control.write(ANSWER.subarray(0, 6));
    control.socket.end();
    await log.waitFor('service disconnected', { channels: 'v1' });
    expect(log.all(REUSED)).toEqual([]);
  });

  test('ends the session with a second answer', async () => {
    const { control, log } = await offered();
    control.write(Buffer.concat([ANSWER, ANSWER]));
    await log.waitFor('service disconnected', { reason: 'control_data', channels: 'reuse' });
  });

  test('offers nothing to a server without the mark', async () => {
    const { peer, log } = await openClient(resources, { local: 9, channels: 'reuse' });
    const control = await peer.accept();
    await control.readHello();
    control.write(hello(0, stockNonce()));
    await control.read(32, 'auth');
    control.write(u32(0));
    await log.waitFor('service connected');
    await peer.channel(control);
    expect(control.unread).toHaveLength(0);
    // So it does not know the answer to an offer that it did not make.
    control.write(ANSWER);
    await log.waitFor('service disconnected', { reason: 'control_data' });
  });
});
