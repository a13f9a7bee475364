import { describe, expect, it } from 'vitest';
import type { ChannelRole } from '../../../ts/dataplane/channel-use.ts';
import { abortWord, dataWord, endWord, freeWord } from '../../../ts/dataplane/channel-words.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { ReusedLink } from '../../../ts/dataplane/reused-link.ts';
import { FakeLink } from '../../helpers/fake-link.ts';
import { turn } from '../../helpers/until.ts';

const HEAD = Buffer.from('put to use');

function open(role: ChannelRole, options: { early?: Uint8Array; control?: boolean } = {}) {
  const below = new FakeLink();
  const told: string[] = [];
  const faults: unknown[] = [];
  const gaveUp: number[] = [];
  const link = new ReusedLink(below, {
    links: new OpenLinks((error) => faults.push(error)),
    role,
    head: role === 'server' ? HEAD : new Uint8Array(0),
    early: options.early ?? new Uint8Array(0),
    settleMs: 60_000,
    freeMs: 60_000,
    giveUp: (reason) => {
      gaveUp.push(reason);
      return options.control ?? true;
    },
    freed: (rest) => told.push(`freed ${Buffer.from(rest).toString()}`),
    lost: (fault) => told.push(`lost ${fault ?? ''}`),
  });
  link.setSink({
    data: (chunk) => {
      told.push(Buffer.from(chunk).toString());
      return true;
    },
    end: () => told.push('end'),
    closed: (error) => told.push(`closed ${error?.message ?? ''}`),
  });
  return { below, link, told, faults, gaveUp };
}

const record = (text: string): Buffer => Buffer.concat([dataWord(text.length), Buffer.from(text)]);

describe('a use of a reusable channel', () => {
  it('begins in one write with what its first turn brings', async () => {
    const { below, link } = open('server');
    expect(link.write(Buffer.from('one'))).toBe(false);
    link.write(Buffer.from('two'));
    expect(below.written).toHaveLength(0);
    await turn();
    expect(below.written).toEqual([Buffer.concat([HEAD, record('onetwo')])]);
  });

  it('begins also when there is nothing to say yet', async () => {
    const { below } = open('server');
    await turn();
    expect(below.written).toEqual([HEAD]);
  });

  it('may begin and end in one write', () => {
    const { below, link } = open('server');
    link.write(Buffer.from('all'));
    link.end();
    expect(below.written).toEqual([Buffer.concat([HEAD, record('all'), endWord()])]);
  });

  it('tells who wrote when what was held back is with the system', async () => {
    const { link } = open('server');
    let drained = 0;
    link.onDrained = () => {
      drained += 1;
    };
    link.write(Buffer.from('x'));
    await turn();
    expect(drained).toBe(1);
  });

  it('copies little, and bulk not at all', () => {
    const { below, link } = open('client');
    link.write(Buffer.alloc(1_000, 1));
    expect(below.written).toHaveLength(1);
    const bulk = Buffer.alloc(60_000, 2);
    link.write(bulk);
    expect(below.written).toHaveLength(3);
    expect(below.calls).toEqual(['cork', 'uncork']);
    expect(below.bytes).toHaveLength(4 + 1_000 + 4 + 60_000);
  });

  it('says FREE with its END when that comes last', async () => {
    const { below, link, told } = open('client');
    link.resume();
    below.peerSends(Buffer.concat([record('x'.repeat(65_537)), endWord()]));
    expect(below.written).toHaveLength(0);
    link.end();
    expect(below.written).toEqual([Buffer.concat([endWord(), freeWord()])]);
    await turn();
    expect(told.slice(1)).toEqual(['end', 'closed ', 'freed ']);
  });

  it('at a client, hands on what came of the next use in the same read', async () => {
    const { below, link, told } = open('client', { early: record('hello') });
    link.resume();
    await turn();
    link.end();
    below.peerSends(Buffer.concat([record('more'), endWord(), Buffer.from('next')]));
    await turn();
    expect(told).toEqual(['hello', 'more', 'end', 'freed next', 'closed ']);
  });

  it('at a server, takes anything behind it for a fault of the peer', async () => {
    const { below, link, told } = open('server');
    link.resume();
    link.end();
    below.peerSends(Buffer.concat([endWord(), Buffer.from('x')]));
    await turn();
    expect(told).toEqual(['end', 'lost bad_record', 'closed ']);
    expect(below.calls).toContain('abort');
  });

  it('is through only when its last word is with the system', async () => {
    const { below, link, told } = open('server');
    link.resume();
    below.backlog = 5;
    link.end();
    below.peerSends(endWord());
    await turn();
    expect(told).toEqual(['end']);
    below.drains();
    await turn();
    expect(told).toEqual(['end', 'closed ', 'freed ']);
  });

  it('aborts in band, and takes no word of that for a word to its sink', async () => {
    const { below, link, told, gaveUp } = open('client');
    link.resume();
    link.abort('local_refused');
    expect(below.written).toEqual([abortWord(2)]);
    below.peerSends(Buffer.concat([record('too late'), endWord()]));
    await turn();
    expect([told.sort(), gaveUp]).toEqual([['closed ', 'freed '], []]);
  });

  it('gives up where it cannot; without a control channel the channel is reset at once', async () => {
    const left = open('server');
    left.link.end();
    left.link.endSoon('visitor_reset');
    await turn();
    expect([left.gaveUp, left.told]).toEqual([[1], ['closed ']]);
    expect(left.below.calls).not.toContain('abort');
    left.below.peerResets();
    await turn();
    expect(left.told).toEqual(['closed ', 'lost ']);

    const alone = open('server', { control: false });
    alone.link.end();
    alone.link.abort('drain');
    expect([alone.gaveUp, alone.below.calls]).toEqual([[7], ['abort']]);
  });

  it('a sink that throws ends the use, and the fault is told', async () => {
    const { below, link, told, faults } = open('client', { early: record('x') });
    const fault = new Error('broken sink');
    link.setSink({
      data: () => {
        throw fault;
      },
      end: () => undefined,
      closed: (error) => told.push(error?.name ?? ''),
    });
    link.resume();
    await turn();
    expect([faults, told]).toEqual([[fault], ['lost ', 'LinkFault']]);
    expect(below.calls).toContain('abort');
  });
});
