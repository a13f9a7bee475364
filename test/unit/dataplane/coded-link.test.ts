import { describe, expect, it } from 'vitest';
import { CodedLink } from '../../../ts/dataplane/coded-link.ts';
import { ServiceCounters } from '../../../ts/dataplane/counters.ts';
import { LinkFault, OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { Relay } from '../../../ts/dataplane/relay.ts';
import { type Codec, TransportFault } from '../../../ts/dataplane/transport/codec.ts';
import { CIPHERS, CipherState } from '../../../ts/dataplane/transport/noise-primitives.ts';
import { NoiseRecords } from '../../../ts/dataplane/transport/noise-records.ts';
import { WebsocketFrames } from '../../../ts/dataplane/transport/websocket-frames.ts';
import { FakeLink } from '../../helpers/fake-link.ts';
import { opened, sealed } from '../../helpers/handshakes.ts';
import { turn } from '../../helpers/until.ts';

function noise(): { ours: Codec; theirs: Codec } {
  const { ChaChaPoly } = CIPHERS;
  if (ChaChaPoly === undefined) throw new Error('no cipher');
  const state = (fill: number): CipherState => new CipherState(ChaChaPoly, Buffer.alloc(32, fill));
  return {
    ours: new NoiseRecords(state(1), state(2)),
    theirs: new NoiseRecords(state(2), state(1)),
  };
}

function websocket(known: boolean): { ours: Codec; theirs: Codec } {
  return {
    ours: new WebsocketFrames('server', known),
    theirs: new WebsocketFrames('client', known),
  };
}

/** A link on a fake one, its peer's codec, and what its sink is told. */
function open(
  { ours, theirs }: { ours: Codec; theirs: Codec },
  early: Uint8Array = Buffer.alloc(0),
) {
  const faults: unknown[] = [];
  const inner = new FakeLink();
  const link = new CodedLink(new OpenLinks((error) => faults.push(error)), inner, ours, early);
  const told: unknown[] = [];
  const sink = {
    /** What `data` answers. */
    takes: true,
    onData: (_text: string): void => undefined,
    onEnd: (): void => undefined,
  };
  const sinkOf = (name: string) => ({
    data: (chunk: Uint8Array) => {
      told.push(`${name}${Buffer.from(chunk).toString('latin1')}`);
      sink.onData(Buffer.from(chunk).toString('latin1'));
      return sink.takes;
    },
    end: () => {
      told.push(`${name}END`);
      sink.onEnd();
    },
    closed: (error: Error | undefined) => told.push(error),
  });
  link.setSink(sinkOf(''));
  const seal = (text: string): Buffer => sealed(theirs, Buffer.from(text, 'latin1'));
  /** What the peer reads of what we wrote. */
  const peerReads = () => {
    const found = opened(theirs, inner.bytes);
    inner.written.length = 0;
    return found;
  };
  return { inner, link, told, sink, sinkOf, seal, peerReads, faults, theirs };
}

describe('reading', () => {
  it('delivers plaintext, then the end, then that the connection is gone', () => {
    const { inner, link, told, seal } = open(noise());
    link.resume();
    expect(inner.reading).toBe(true);
    expect(inner.peerSends(seal('one'))).toBe(true);
    expect(link.ended).toBe(false);
    inner.peerEnds();
    expect(link.ended).toBe(true);
    inner.closes();
    expect(told).toEqual(['one', 'END', undefined]);
    expect(link.closed).toBe(true);
  });

  it('what came with the handshake waits for resume, and never comes inside it', async () => {
    const codecs = noise();
    const { inner, link, told, sink, seal } = open(codecs, sealed(codecs.theirs, Buffer.from('a')));
    await turn();
    expect(told).toEqual([]);
    sink.takes = false;
    link.resume();
    expect(told).toEqual([]);
    await turn();
    expect(told).toEqual(['a']);
    expect(inner.reading).toBe(false);
    sink.takes = true;
    link.resume();
    inner.peerSends(seal('b'));
    expect(told).toEqual(['a', 'b']);
  });

  it('false stops reading until resume; a resume inside the call wins', () => {
    const { inner, link, told, sink, sinkOf, seal } = open(noise());
    link.resume();
    sink.takes = false;
    expect(inner.peerSends(seal('a'))).toBe(false);
    link.resume();
    sink.onData = () => {
      link.setSink(sinkOf('next:'));
      link.resume();
    };
    expect(inner.peerSends(seal('b'))).toBe(true);
    sink.onData = () => undefined;
    expect(inner.peerSends(seal('c'))).toBe(false);
    expect(told).toEqual(['a', 'b', 'next:c']);
  });

  it('all records of a read are one chunk', () => {
    const { inner, link, told, seal } = open(noise());
    link.resume();
    inner.peerSends(Buffer.concat([seal('a'), seal('b'), seal('c')]));
    expect(told).toEqual(['abc']);
  });

  it('W35: an end in band waits for a sink that has not taken what came before', async () => {
    const { inner, link, told, sink, seal, theirs } = open(websocket(true));
    link.resume();
    sink.takes = false;
    const close = theirs.finish(true);
    if (close === 'later') throw new Error('it waits');
    expect(inner.peerSends(Buffer.concat([seal('last'), close]))).toBe(false);
    expect([told, link.ended]).toEqual([['last'], false]);
    link.resume();
    await turn();
    expect([told, link.ended]).toEqual([['last', 'END'], true]);
    // FIN is awaited.
    expect(inner.reading).toBe(true);
    inner.peerEnds();
    expect(told).toEqual(['last', 'END']);
  });

  it.each<[string, (bad: Buffer) => Buffer, string]>([
    ['a forged record', (bad) => bad.fill(0, 5), 'bad_record'],
    ['a length that cannot be', () => Buffer.of(3, 0), 'bad_record'],
  ])('%s ends it by RST, with its reason', async (_name, change, reason) => {
    const { inner, link, told, seal } = open(noise());
    link.resume();
    inner.peerSends(Buffer.concat([seal('good'), change(seal('bad'))]));
    await turn();
    expect(inner.calls).toEqual(['abort']);
    expect(told).toEqual(['good', expect.any(TransportFault)]);
    expect(told[1]).toMatchObject({ reason });
  });

  it.each([
    ['between frames: as TLS found it', '', true],
    ['inside a frame: not as a channel ends', 'half', false],
  ])('a cut of TLS below, %s', (_where, last, betweenRecords) => {
    const { inner, link, told, seal } = open(websocket(true));
    link.resume();
    inner.peerSends(seal('whole'));
    if (last !== '') inner.peerSends(seal(last).subarray(0, -1));
    inner.closes(new TransportFault('truncated', 'no close_notify', true));
    expect(told.at(-1)).toMatchObject({ reason: 'truncated', betweenRecords });
  });

  it('W22: FIN inside a record is truncated; what came is delivered', async () => {
    const { inner, link, told, seal } = open(noise());
    link.resume();
    inner.peerSends(Buffer.concat([seal('good'), seal('cut').subarray(0, 7)]));
    inner.peerEnds();
    await turn();
    expect(inner.calls).toEqual(['abort']);
    expect(told).toEqual(['good', expect.objectContaining({ reason: 'truncated' })]);
    expect(link.ended).toBe(false);
  });

  it('a fault waits for a sink that has not taken what came before', async () => {
    const { inner, link, told, sink, seal } = open(noise());
    link.resume();
    sink.takes = false;
    inner.peerSends(Buffer.concat([seal('good'), seal('bad').fill(0, 5)]));
    await turn();
    expect(inner.calls).toEqual([]);
    link.resume();
    await turn();
    expect(inner.calls).toEqual(['abort']);
    expect(told).toEqual(['good', expect.objectContaining({ reason: 'bad_record' })]);
  });

  it('a connection that breaks says so', () => {
    const { inner, link, told } = open(noise());
    link.resume();
    inner.peerResets();
    expect(told).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
  });

  it('nothing is told to a sink that has destroyed the link', async () => {
    const { inner, link, told, sink, seal } = open(noise());
    link.resume();
    sink.onData = () => link.destroy();
    inner.peerSends(Buffer.concat([seal('a'), seal('bad').fill(0, 5)]));
    inner.peerSends(seal('b'));
    await turn();
    expect(told).toEqual(['a', undefined]);
  });

  it('a callback that throws outside of a read ends the connection, and is told', async () => {
    const codecs = noise();
    const planted = new Error('planted');
    const early = sealed(codecs.theirs, Buffer.from('a'));
    const { inner, link, told, sink, faults } = open(codecs, early);
    sink.onData = () => {
      throw planted;
    };
    link.resume();
    await turn();
    expect(faults).toEqual([planted]);
    expect(inner.calls).toEqual(['abort']);
    expect(told).toEqual(['a', expect.any(LinkFault)]);
  });

  it('W36: a ping is answered between writes, but not without end', () => {
    const { inner, link, peerReads, told } = open(websocket(true));
    const ping = Buffer.concat([Buffer.of(0x89, 0x81, 0, 0, 0, 0), Buffer.from('p')]);
    link.resume();
    inner.peerSends(ping);
    expect(inner.bytes).toEqual(Buffer.of(0x8a, 1, 0x70));
    expect(peerReads()).toMatchObject({ plain: '', fault: undefined });
    inner.backlog = 1_000_000;
    inner.peerSends(ping);
    expect(inner.bytes).toHaveLength(0);
    expect(told).toEqual([]);
  });
});

describe('writing', () => {
  it('says whether all is with the system, and when it is', () => {
    const { inner, link, peerReads } = open(noise());
    let drained = 0;
    link.onDrained = () => {
      drained += 1;
    };
    expect(link.write(Buffer.from('a'))).toBe(true);
    inner.backlog = 19;
    expect(link.write(Buffer.from('b'))).toBe(false);
    expect(link.backlog).toBe(19);
    expect(drained).toBe(0);
    inner.drains();
    inner.drains();
    expect(drained).toBe(1);
    expect(peerReads().plain).toBe('ab');
  });

  it('what is written while corked is one record, and its writer hears of it', async () => {
    const { inner, link, peerReads } = open(noise());
    let drained = 0;
    link.onDrained = () => {
      drained += 1;
    };
    link.cork();
    expect(link.write(Buffer.from('a'))).toBe(false);
    expect(link.write(Buffer.from('bc'))).toBe(false);
    expect(link.backlog).toBe(3);
    expect(inner.bytes).toHaveLength(0);
    link.uncork();
    expect(link.backlog).toBe(0);
    expect(inner.bytes.readUInt16LE(0)).toBe(3 + 16);
    expect(drained).toBe(0);
    await turn();
    expect(drained).toBe(1);
    expect(peerReads().plain).toBe('abc');
    link.cork();
    link.uncork();
    link.write(new Uint8Array(0));
    expect(inner.bytes).toHaveLength(0);
  });

  it('takes no more after its end', () => {
    const { inner, link, peerReads } = open(noise());
    link.cork();
    link.write(Buffer.from('a'));
    link.end();
    expect(peerReads().plain).toBe('a');
    expect(link.write(Buffer.from('b'))).toBe(true);
    expect(inner.bytes).toHaveLength(0);
    expect(inner.calls.filter((call) => call.startsWith('end'))).toEqual(['end']);
  });

  it.each(['abort', 'destroy'] as const)('%s passes through', (how) => {
    const { inner, link } = open(websocket(false));
    link[how]();
    expect(inner.calls).toEqual([how]);
    expect(inner.bytes).toHaveLength(0);
  });

  it('noise ends its direction by FIN', () => {
    const { inner, link } = open(noise());
    link.end();
    expect([inner.calls, inner.bytes.length]).toEqual([['end'], 0]);
  });

  it('W35: towards ours Close goes at once, and FIN when both directions have ended', () => {
    const { inner, link, peerReads, seal, told, theirs } = open(websocket(true));
    link.resume();
    link.end();
    expect(peerReads()).toMatchObject({ ended: true });
    expect(inner.calls).toEqual([]);
    inner.peerSends(seal('still'));
    inner.peerSends(theirs.finish(false) as Uint8Array);
    expect(told).toEqual(['still', 'END']);
    expect(inner.calls).toEqual(['endSoon']);
  });

  it('W35: towards a stock peer Close waits until its direction has ended', () => {
    const { inner, link, peerReads, seal, told, theirs } = open(websocket(false));
    link.resume();
    link.end();
    expect(inner.bytes).toHaveLength(0);
    inner.peerSends(seal('reply'));
    inner.peerSends(theirs.finish(true) as Uint8Array);
    expect(told).toEqual(['reply', 'END']);
    expect(peerReads()).toMatchObject({ ended: true });
    expect(inner.calls).toEqual(['endSoon']);
  });

  it('W35: asked again, it says the Close that it has held back', () => {
    const { inner, link, peerReads } = open(websocket(false));
    link.end();
    expect(inner.bytes).toHaveLength(0);
    link.end();
    expect(peerReads()).toMatchObject({ ended: true });
    link.end();
    expect(inner.bytes).toHaveLength(0);
  });

  it('W35: after the Close of a stock peer we may go on', () => {
    const { inner, link, peerReads, theirs } = open(websocket(false));
    link.resume();
    inner.peerSends(theirs.finish(true) as Uint8Array);
    expect(inner.calls).toEqual([]);
    link.write(Buffer.from('reply'));
    link.end();
    expect(peerReads()).toMatchObject({ plain: 'reply', ended: true });
    expect(inner.calls).toEqual(['endSoon']);
  });

  it('a connection that ends altogether says goodbye to anybody', () => {
    const { inner, link, peerReads } = open(websocket(false));
    link.end();
    link.endSoon();
    expect(peerReads()).toMatchObject({ ended: true });
    expect(inner.calls).toEqual(['endSoon']);
  });
});

describe('a relay over it', () => {
  function relay(codecs: { ours: Codec; theirs: Codec }) {
    const near = new FakeLink();
    const { link: far, inner, ...rest } = open(codecs);
    const ended: string[] = [];
    new Relay(near, far, {
      counters: new ServiceCounters(),
      limits: { halfCloseIdleMs: 60_000, closeHoldMs: 5_000 },
      nearBroken: 'visitor_reset',
      farBroken: 'channel_reset',
      unwritten: [],
      alreadyIn: 0,
      done: ({ reason }) => ended.push(reason),
    });
    return { near, inner, ended, ...rest };
  }

  it.each<[string, { ours: Codec; theirs: Codec }, (seal: Buffer) => Buffer, string]>([
    ['a forged record', noise(), (bad) => bad.fill(0, 5), 'bad_record'],
    ['FIN inside a record', noise(), (bad) => bad.subarray(0, 5), 'truncated'],
    ['FIN without Close', websocket(false), () => Buffer.alloc(0), 'truncated'],
  ])('%s is RST to the visitor, behind what came', async (_name, codecs, change, reason) => {
    const { near, inner, ended, seal } = relay(codecs);
    inner.peerSends(Buffer.concat([seal('good'), change(seal('bad'))]));
    inner.peerEnds();
    await turn();
    expect(near.bytes.toString()).toBe('good');
    expect(near.calls).toEqual(['abort']);
    expect(ended).toEqual([reason]);
  });
});
