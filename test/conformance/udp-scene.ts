/** A udp service of an engine with scripted data channels that speak frames. */
import type { Limits } from '../../ts/limits.ts';
import {
  addressOfKey,
  encodeFrame,
  encodeFramePrefix,
  UdpFrameDecoder,
} from '../../ts/protocol/udp-frame.ts';
import { START_UDP } from '../../ts/protocol/wire.ts';
import type { Address, Peer } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';
import type { ServerScene, World } from './world.ts';

export interface Frame {
  readonly from: Address;
  readonly payload: Buffer;
}

/** A data channel that was started. */
export class FrameChannel {
  readonly peer: Peer;
  /** All that came. */
  readonly frames: Frame[] = [];
  #taken = 0;

  constructor(peer: Peer) {
    this.peer = peer;
    const decoder = new UdpFrameDecoder();
    const onData = (): void => {
      decoder.push(peer.take(peer.buffered), ({ key, payload }) => {
        this.frames.push({ from: addressOfKey(key), payload: Buffer.from(payload) });
      });
    };
    peer.socket.on('data', onData);
    onData();
  }

  frame(): Promise<Frame> {
    const at = this.#taken++;
    return until(() => this.frames[at], `frame ${at + 1}`);
  }

  reply(to: Address, payload: string | Uint8Array): Promise<void> {
    return this.peer.write(encodeFrame(encodeFramePrefix(to.host, to.port), Buffer.from(payload)));
  }
}

export interface UdpScene extends ServerScene {
  channel(): Promise<FrameChannel>;
  channels(count: number): Promise<FrameChannel[]>;
}

export async function udpScene(world: World, limits: Partial<Limits>): Promise<UdpScene> {
  const scene = await world.serverScene({ limits, service: { type: 'udp' } });
  const channel = async (): Promise<FrameChannel> => {
    const peer = await world.channel(scene.client);
    const start = await peer.read(START_UDP.length, 'the start command');
    if (!start.equals(START_UDP)) throw new Error('not the start of a udp channel');
    return new FrameChannel(peer);
  };
  const channels = async (count: number): Promise<FrameChannel[]> => {
    const all: FrameChannel[] = [];
    for (let index = 0; index < count; index++) all.push(await channel());
    return all;
  };
  return { ...scene, channel, channels };
}
