/**
 * Both ends of a reusable channel over a network that delays, cuts and loses: a server that puts it to
 * use for one visitor after the other, a client that serves them. Every byte is tagged by its use.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startWord, type Word, WordReader } from '../../../ts/dataplane/channel-words.ts';
import type { LinkSink } from '../../../ts/dataplane/link.ts';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import { encodeOrigin } from '../../../ts/dataplane/origin.ts';
import { ReusableChannel } from '../../../ts/dataplane/reusable-channel.ts';
import { ReusedLink } from '../../../ts/dataplane/reused-link.ts';
import { SessionUses } from '../../../ts/dataplane/session-uses.ts';
import { PipeLink } from '../../helpers/pipe-link.ts';
import { turn } from '../../helpers/until.ts';

const SHORT = 65_536;
const SETTLE_MS = 5_000;
const NOTHING = new Uint8Array(0);

/** One end of a use, as a relay would drive it. Its bytes are all the same: its tag. */
class End implements LinkSink {
  readonly link: ReusedLink;
  readonly tag: number;
  readonly #expects: number;
  sent = 0;
  received = 0;
  ends = 0;
  /** Of our direction. */
  hasEnded = false;
  hasAborted = false;
  over: { error: Error | undefined } | undefined;
  takes = true;
  #held: { chunk: Uint8Array; copy: Buffer } | undefined;

  constructor(link: ReusedLink, tag: number, expects: number) {
    this.link = link;
    this.tag = tag;
    this.#expects = expects;
    link.setSink(this);
    link.resume();
  }

  data(chunk: Uint8Array): boolean {
    expect(this.over).toBeUndefined();
    expect(this.ends).toBe(0);
    expect(this.#held).toBeUndefined();
    expect(chunk.every((byte) => byte === this.#expects)).toBe(true);
    this.received += chunk.byteLength;
    if (this.takes) return true;
    this.#held = { chunk, copy: Buffer.from(chunk) };
    return false;
  }

  end(): void {
    expect(this.over).toBeUndefined();
    expect(this.#held).toBeUndefined();
    this.ends += 1;
  }

  closed(error: Error | undefined): void {
    expect(this.over).toBeUndefined();
    this.over = { error };
  }

  write(length: number): void {
    if (this.hasEnded || this.hasAborted || this.over !== undefined) return;
    this.sent += length;
    this.link.write(Buffer.alloc(length, this.tag));
  }

  finish(): void {
    if (this.hasAborted) return;
    this.hasEnded = true;
    this.link.end();
  }

  abort(): void {
    if (this.over !== undefined) return;
    this.hasAborted = true;
    this.link.abort(this.tag < 128 ? 'visitor_reset' : 'local_reset');
  }

  /** Takes what it has held, and more. */
  take(): void {
    this.takes = true;
    const held = this.#held;
    if (held === undefined) return;
    // It was ours for that long.
    if (this.over === undefined) expect(held.copy.equals(held.chunk)).toBe(true);
    this.#held = undefined;
    this.link.resume();
  }
}

interface Use {
  readonly server: End;
  client: End | undefined;
  /** The network lost the channel meanwhile. */
  isCut: boolean;
}

/** A channel with both ends, and all that was used of it. */
class Scene {
  readonly faults: unknown[] = [];
  readonly #links = new OpenLinks((error) => this.faults.push(error));
  readonly #capacity: number;
  readonly uses: Use[] = [];
  readonly gaveUp: (() => void)[] = [];
  server: PipeLink;
  client: PipeLink;
  isIdle = true;
  isLost = false;
  clientState: 'waits' | 'used' | 'lost' = 'waits';
  readonly bad: string[] = [];
  readonly #serverUses: SessionUses;
  readonly #clientUses: SessionUses;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#serverUses = new SessionUses((visitor, reason) => {
      this.gaveUp.push(() => this.#clientUses.peerGaveUp(visitor, reason));
      return true;
    });
    this.#clientUses = new SessionUses((visitor, reason) => {
      this.gaveUp.push(() => this.#serverUses.peerGaveUp(visitor, reason));
      return true;
    });
    [this.server, this.client] = PipeLink.pair(capacity);
    this.#open();
  }

  get use(): Use | undefined {
    return this.uses.at(-1);
  }

  /** A fresh channel in the place of one that was lost. */
  renew(): void {
    if (!this.isLost || this.clientState !== 'lost') return;
    [this.server, this.client] = PipeLink.pair(this.#capacity);
    this.isLost = false;
    this.isIdle = true;
    this.#open();
  }

  begin(): void {
    if (!this.isIdle || this.isLost) return;
    this.isIdle = false;
    const visitor = this.#serverUses.next();
    const link: ReusedLink = new ReusedLink(this.server, {
      links: this.#links,
      role: 'server',
      head: startWord(encodeOrigin({ visitor, addresses: undefined })),
      early: NOTHING,
      settleMs: SETTLE_MS,
      freeMs: SETTLE_MS,
      giveUp: (reason) => this.#serverUses.giveUp(visitor, reason),
      freed: (rest) => {
        this.#serverUses.delete(visitor, link);
        expect(rest).toHaveLength(0);
        this.isIdle = true;
        this.#watch();
      },
      lost: (fault) => {
        this.#serverUses.delete(visitor, link);
        if (fault !== undefined) this.bad.push(`server: ${fault}`);
        this.isLost = true;
      },
    });
    this.#serverUses.add(visitor, link);
    const tag = this.uses.length + 1;
    this.uses.push({ server: new End(link, tag, tag + 128), client: undefined, isCut: false });
  }

  #open(): void {
    this.clientState = 'waits';
    this.#watch();
    new ReusableChannel(this.client, NOTHING, {
      links: this.#links,
      settleMs: SETTLE_MS,
      freeMs: SETTLE_MS,
      uses: this.#clientUses,
      waits: () => {
        this.clientState = 'waits';
      },
      started: (_channel, link, origin) => {
        this.clientState = 'used';
        // Numbers are those of the uses, in order.
        const use = this.uses[Number(origin.visitor) - 1];
        if (use === undefined) throw new Error('nobody began that one');
        use.client = new End(link, use.server.tag + 128, use.server.tag);
      },
      ended: (_channel, reason) => {
        if (reason === 'bad_record') this.bad.push(`client: ${reason}`);
        this.clientState = 'lost';
      },
    });
  }

  /** As a pool does. */
  #watch(): void {
    this.server.setSink({
      data: () => {
        this.bad.push('server: bytes while idle');
        return false;
      },
      end: () => this.#lose(),
      closed: () => this.#lose(),
    });
    this.server.resume();
  }

  #lose(): void {
    this.isLost = true;
    this.server.destroy();
  }

  /** The network does. */
  lose(): void {
    if (this.use !== undefined) this.use.isCut = true;
    this.server.abort();
  }

  async flow(): Promise<void> {
    await turn();
    this.server.carry(Number.MAX_SAFE_INTEGER);
    this.client.carry(Number.MAX_SAFE_INTEGER);
    await turn();
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; ) {
      const before = this.server.underWay + this.client.underWay;
      this.server.carry(Number.MAX_SAFE_INTEGER);
      this.client.carry(Number.MAX_SAFE_INTEGER);
      for (const tell of this.gaveUp.splice(0)) tell();
      await turn();
      quiet = before + this.server.underWay + this.client.underWay === 0 ? quiet + 1 : 0;
    }
  }
}

/** What happens; numbers choose among what is there. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      end: fc.boolean(),
      length: fc.oneof(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 40_000 }),
        fc.constantFrom(SHORT - 1, SHORT, SHORT + 1),
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const), end: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), end: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('hold' as const), end: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const), at: fc.nat() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('carry' as const),
      end: fc.boolean(),
      length: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('control' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), odds: fc.nat(5) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  // All that is under way arrives; both ends of the use take and end.
  { weight: 5, arbitrary: fc.record({ do: fc.constant('flow' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('through' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function act(scene: Scene, one: Step): Promise<void> {
  const { use } = scene;
  const endOf = (isServer: boolean): End | undefined => (isServer ? use?.server : use?.client);
  switch (one.do) {
    case 'begin':
      scene.renew();
      scene.begin();
      return;
    case 'write':
      endOf(one.end)?.write(one.length);
      return;
    case 'finish':
      endOf(one.end)?.finish();
      return;
    case 'abort':
      endOf(one.end)?.abort();
      return;
    case 'hold': {
      const end = endOf(one.end);
      if (end !== undefined) end.takes = false;
      return;
    }
    case 'take':
      // Also one whose channel has long been with others.
      scene.uses[one.at % Math.max(1, scene.uses.length)]?.server.take();
      scene.uses[one.at % Math.max(1, scene.uses.length)]?.client?.take();
      return;
    case 'carry':
      (one.end ? scene.server : scene.client).carry(one.length);
      return;
    case 'control':
      scene.gaveUp.shift()?.();
      return;
    case 'lose':
      if (one.odds === 0) scene.lose();
      return;
    case 'turn':
      await turn();
      return;
    case 'flow':
      await scene.flow();
      return;
    case 'through':
      for (const end of [use?.server, use?.client]) end?.finish();
      await scene.flow();
      for (const end of [use?.server, use?.client]) end?.take();
      await scene.flow();
  }
}

/** What went over the wire of one channel, by the rules of docs/wire.md: words by use. */
function wordsOf(tap: readonly Buffer[]): Word[] {
  const reader = new WordReader();
  reader.feed(Buffer.concat(tap));
  const words: Word[] = [];
  for (let word = reader.next(); word !== undefined && word.kind !== 'bad'; word = reader.next()) {
    words.push(word);
  }
  expect(reader.rest).toHaveLength(0);
  return words;
}

/** Terminal words and payload of each use, in order; says where a word is out of place. */
function usesOnWire(words: readonly Word[], isServer: boolean) {
  const uses: { bytes: number; terminal: string | undefined; free: boolean }[] = [];
  let isOpen = !isServer;
  for (const word of words) {
    if (word.kind === 'start') {
      expect(isServer && uses.every(({ terminal }) => terminal !== undefined)).toBe(true);
      uses.push({ bytes: 0, terminal: undefined, free: false });
      isOpen = true;
      continue;
    }
    if (word.kind === 'free') {
      const last = uses.at(-1);
      expect([isServer, last?.terminal, last?.free]).toEqual([false, 'end', false]);
      if (last !== undefined) last.free = true;
      continue;
    }
    const isNew = !isServer && (uses.length === 0 || uses.at(-1)?.terminal !== undefined);
    if (isNew) uses.push({ bytes: 0, terminal: undefined, free: false });
    const use = uses.at(-1);
    expect([isOpen, use?.terminal]).toEqual([true, undefined]);
    if (use === undefined) continue;
    if (word.kind === 'data') use.bytes += word.bytes.byteLength;
    else use.terminal = word.kind;
  }
  return uses;
}

function checkWire(server: PipeLink, client: PipeLink): void {
  const toClient = usesOnWire(wordsOf(server.tap), true);
  const toServer = usesOnWire(wordsOf(client.tap), false);
  toServer.forEach((answer, index) => {
    const asked = toClient[index];
    expect(asked).toBeDefined();
    const isPolite = asked?.terminal === 'end' && answer.terminal === 'end';
    const isDue = isPolite && (asked?.bytes ?? 0) > SHORT;
    // Of the last one it may still have been due when the channel was lost.
    if (answer.free || index < toServer.length - 1) expect(answer.free).toBe(isDue);
  });
}

async function run(capacity: number, steps: readonly Step[]): Promise<void> {
  const scene = new Scene(capacity);
  const wires = new Set<[PipeLink, PipeLink]>();
  let last: PipeLink | undefined;
  for (const one of steps) {
    await act(scene, one);
    if (scene.server !== last) {
      last = scene.server;
      wires.add([scene.server, scene.client]);
    }
    checkEnds(scene);
  }
  // Everybody takes, ends, and all of it arrives.
  for (let round = 0; round < 3; round++) {
    for (const use of scene.uses) {
      use.server.take();
      use.client?.take();
    }
    await scene.settle();
    scene.use?.server.finish();
    scene.use?.client?.finish();
    await scene.settle();
    vi.advanceTimersByTime(SETTLE_MS);
    await scene.settle();
  }
  expect(scene.faults).toEqual([]);
  expect(scene.bad).toEqual([]);
  for (const [server, client] of wires) checkWire(server, client);
  for (const { server, client, isCut } of scene.uses) {
    expect(server.over).toBeDefined();
    if (client !== undefined) expect(client.over).toBeDefined();
    if (isCut || server.hasAborted || client?.hasAborted === true) continue;
    // Nobody has aborted and nothing broke: all of it has come, and the end of it.
    expect([server.over?.error, client?.over?.error]).toEqual([undefined, undefined]);
    expect([client?.received, client?.ends]).toEqual([server.sent, 1]);
    expect([server.received, server.ends]).toEqual([client?.sent, 1]);
  }
  // Both agree on what became of the channel.
  if (scene.isLost) expect(scene.clientState).toBe('lost');
  else expect([scene.isIdle, scene.clientState]).toEqual([true, 'waits']);
}

function checkEnds({ uses }: Scene): void {
  for (const { server, client } of uses) {
    if (client === undefined) continue;
    expect(client.received).toBeLessThanOrEqual(server.sent);
    expect(server.received).toBeLessThanOrEqual(client.sent);
  }
}

// A channel that settles does so in no time, or for ever until the end.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

it('no byte of one use appears in another, and both ends agree when the channel is idle', async () => {
  const capacity = fc.constantFrom(0, 10, 1_000, 100_000, 10_000_000);
  await fc.assert(
    fc.asyncProperty(capacity, fc.array(step, { maxLength: 100, size: 'max' }), run),
    {
      numRuns: 400,
    },
  );
}, 120_000);
