/** The example of docs/wire.md, section 6: each line is computed anew, and each word is in its place. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { abortNumber } from '../../../ts/dataplane/abort-reason.ts';
import { type ChannelRole, ChannelUse } from '../../../ts/dataplane/channel-use.ts';
import {
  abortWord,
  dataWord,
  endWord,
  freeWord,
  startWord,
  WordReader,
} from '../../../ts/dataplane/channel-words.ts';
import { encodeChannels, encodeGaveUp } from '../../../ts/dataplane/frames.ts';
import { encodeOrigin } from '../../../ts/dataplane/origin.ts';
import {
  encodeAnswer,
  encodeDrainFrame,
  encodeOffer,
  FEATURE_ADDRESSES,
  HEARTBEAT_FRAME,
  markedNonce,
  REUSE_FRAMES,
  START_REUSED,
} from '../../../ts/protocol/extension.ts';
import {
  ACK_OK,
  COMMAND_CREATE,
  encodeControlHello,
  encodeDataHello,
  serviceDigest,
  sessionKey,
} from '../../../ts/protocol/wire.ts';
import { bytes, hex } from '../../helpers/vectors.ts';

type Line = readonly [who: string, hex: string];

const WIRE = readFileSync(new URL('../../../docs/wire.md', import.meta.url), 'utf8');

/** Who says what, of each block; what is said may go over several lines. */
function blocks(): Line[][] {
  const [, section = ''] = WIRE.split('\n## 6. ');
  return section.split('\n\n').flatMap((paragraph) => {
    if (!/^ {4}[CS] {2}/.test(paragraph)) return [];
    const lines: [string, string][] = [];
    for (const row of paragraph.split('\n')) {
      const [, who = '', said = ''] = /^ {4}([CS ]) {2}(\S+(?: \S+)*)/.exec(row) ?? [];
      const last = lines.at(-1);
      if (who === ' ' && last !== undefined) last[1] += said.replaceAll(' ', '');
      else lines.push([who, said.replaceAll(' ', '')]);
    }
    return [lines];
  });
}

const RANDOM = Uint8Array.from({ length: 24 }, (_, at) => at);
const NONCE = markedNonce(RANDOM);
const KEY = sessionKey('t', NONCE);
const ADDRESSES = {
  visitor: { host: '192.0.2.1', port: 50_000 },
  reached: { host: '198.51.100.7', port: 80 },
};
const LONG = 65_537;

function client(said: Uint8Array): Line {
  return ['C', hex(said)];
}

function server(said: Uint8Array): Line {
  return ['S', hex(said)];
}

function start(visitor: bigint): Uint8Array {
  return startWord(encodeOrigin({ visitor, addresses: ADDRESSES }));
}

function data(text: string): Uint8Array {
  return Buffer.concat([dataWord(text.length), Buffer.from(text)]);
}

const [CONTROL = [], DATA = []] = blocks();

describe('the example of docs/wire.md', () => {
  it('has the bytes of a control channel', () => {
    expect(CONTROL).toEqual([
      client(encodeControlHello(serviceDigest('foo'))),
      server(encodeControlHello(NONCE)),
      client(KEY),
      server(ACK_OK),
      client(encodeOffer(FEATURE_ADDRESSES)),
      server(COMMAND_CREATE),
      server(encodeAnswer(FEATURE_ADDRESSES)),
      server(encodeChannels(REUSE_FRAMES, 7)),
      server(HEARTBEAT_FRAME),
      client(encodeGaveUp(REUSE_FRAMES, 4n, abortNumber('client', 'local_reset'))),
      client(encodeDrainFrame(30_000)),
    ]);
  });

  it('has the bytes of a data channel', () => {
    const refused = abortWord(abortNumber('client', 'local_refused'));
    expect(DATA).toEqual([
      client(encodeDataHello(KEY)),
      server(START_REUSED),
      server(start(1n)),
      server(data('hi')),
      server(endWord()),
      client(data('hello')),
      client(endWord()),
      server(start(2n)),
      server(data('hi')),
      client(refused),
      server(refused),
      server(start(3n)),
      server(dataWord(LONG)),
      client(endWord()),
      server(endWord()),
      client(freeWord()),
    ]);
  });

  it('has words that both ends may say then, and leaves the channel idle', () => {
    const roles: Record<string, ChannelRole> = { C: 'client', S: 'server' };
    const ends = { client: new ChannelUse('client'), server: new ChannelUse('server') };
    const [, , ...words] = DATA;
    for (const [who, said] of words) {
      const own = roles[who] ?? 'client';
      const peers = own === 'client' ? 'server' : 'client';
      const reader = new WordReader();
      // The payload of the long record is not printed.
      const payload = said === hex(dataWord(LONG)) ? new Uint8Array(LONG) : new Uint8Array(0);
      reader.feed(Buffer.concat([bytes(said), payload]));
      const word = reader.next();
      if (word === undefined || word.kind === 'bad') throw new Error(`no word: ${said}`);
      const length = word.kind === 'data' ? word.bytes.length : 0;
      ends[own].say(word.kind, length);
      expect(ends[peers].hear(word.kind, length), said).toBe(true);
    }
    expect([ends.client.state, ends.server.state]).toEqual(['idle', 'idle']);
  });
});
