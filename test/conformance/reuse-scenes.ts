/** One raw channel against an engine, in either role: its words are the test's. */
import { expect } from 'vitest';
import type { EndReason } from '../../ts/engine/reason.ts';
import type { Peer } from '../helpers/peer.ts';
import type { PeerListener } from '../helpers/peer-listener.ts';
import { data, END, readWord } from '../helpers/peer-words.ts';
import { turn } from '../helpers/until.ts';
import type { ServerServiceOptions } from './control-plane.ts';
import {
  type ClientScene,
  type ServerScene,
  untilReady,
  type World,
  type WorldOptions,
} from './world.ts';

export type ServerChannelScene = ServerScene & { readonly channel: Peer };
export type ClientChannelScene = ClientScene & {
  readonly channel: Peer;
  readonly local: PeerListener;
};

/** A server whose pool has that one channel and wants no other. */
export async function serverWithChannel(
  world: World,
  options: WorldOptions & { readonly service?: ServerServiceOptions } = {},
): Promise<ServerChannelScene> {
  const limits = { poolFloor: 1, ...options.limits };
  const scene = await world.serverScene({ ...options, limits });
  const channel = await world.rawChannel(scene.client);
  await untilReady(scene.server.rig, 1);
  return { ...scene, channel };
}

/** A client with one channel that waits for its use. */
export async function clientWithChannel(
  world: World,
  options: WorldOptions & { readonly local?: PeerListener; readonly addresses?: boolean } = {},
): Promise<ClientChannelScene> {
  const { local = await world.listener(), ...rest } = options;
  const scene = await world.clientScene({ ...rest, local: local.address });
  await scene.server.create();
  return { ...scene, local, channel: await scene.server.rawChannel() };
}

/** Bytes of records up to what ends a direction. */
export async function readAll(
  channel: Peer,
): Promise<{ readonly bytes: Buffer; readonly end: string; readonly reason?: number }> {
  const bytes: Buffer[] = [];
  for (;;) {
    const word = await readWord(channel);
    if (word.word === 'data') bytes.push(word.bytes);
    else {
      const reason = word.word === 'abort' ? { reason: word.reason } : {};
      return { bytes: Buffer.concat(bytes), end: word.word, ...reason };
    }
  }
}

/** So many bytes, in records of any length. */
export async function readPayload(channel: Peer, length: number): Promise<Buffer> {
  const bytes: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const word = await readWord(channel);
    if (word.word !== 'data') throw new Error(`${word.word} with ${left} bytes to come`);
    bytes.push(word.bytes);
    left -= word.bytes.length;
  }
  return Buffer.concat(bytes);
}

/** The rest of a use behind its START, at a scripted client: text both ways, FIN both ways. */
export async function finishUse(channel: Peer, visitor: Peer, text: string): Promise<void> {
  await visitor.write(text);
  await visitor.end();
  const asked = await readAll(channel);
  expect({ ...asked, bytes: asked.bytes.toString() }).toEqual({ bytes: text, end: 'end' });
  await channel.write(Buffer.concat([data(text), END]));
  expect((await visitor.rest()).toString()).toBe(text);
}

/** The same at a scripted server, START and all. */
export async function serveUse(
  channel: Peer,
  local: PeerListener,
  startWord: Buffer,
  text: string,
): Promise<void> {
  await channel.write(Buffer.concat([startWord, data(text), END]));
  const served = await local.next();
  expect((await served.rest()).toString()).toBe(text);
  await served.write(text);
  await served.end();
  const answer = await readAll(channel);
  expect({ ...answer, bytes: answer.bytes.toString() }).toEqual({ bytes: text, end: 'end' });
}

/** The next visitor, its START read. */
export async function afterStart(channel: Peer, visit: () => Promise<Peer>): Promise<Peer> {
  const visitor = await visit();
  expect((await readWord(channel)).word).toBe('start');
  return visitor;
}

/** Nothing is under way here: what would come wrongly would come in these turns. */
export async function nothingComes(peer: Peer): Promise<void> {
  const before = peer.received;
  for (let turns = 0; turns < 20; turns++) await turn();
  expect(peer.received).toBe(before);
  expect(peer.closed || peer.ended).toBe(false);
}

/** Section 5 of docs/wire.md: what each number means to a server, and to a client. */
export const TOLD_BY_CLIENT: readonly EndReason[] = [
  'channel_reset',
  'local_reset',
  'local_refused',
  'local_timeout',
  'local_unreachable',
  'half_close_timeout',
  'visitor_limit',
  'drain',
  'service_closed',
  'destroyed',
  'internal_error',
];
export const TOLD_BY_SERVER: readonly EndReason[] = [
  'channel_reset',
  'visitor_reset',
  'channel_reset',
  'channel_reset',
  'channel_reset',
  'half_close_timeout',
  'visitor_limit',
  'drain',
  'service_closed',
  'destroyed',
  'internal_error',
];
