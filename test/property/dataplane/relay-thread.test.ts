/**
 * Relays of the C++ addon over real sockets: whatever both sides do, each gets the other's bytes, in
 * order, up to the end; what was counted is what came; and the end is called what it was.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { AddonBinding } from '../../../ts/dataplane/relay-thread.ts';
import { ADDON, ADDON_PORTABLE } from '../../helpers/addon-binding.ts';
import type { Peer } from '../../helpers/peer.ts';
import { closesScenes, type RelayFacts, RelayScene } from '../../helpers/relay-scene.ts';
import { openSockets, untilSockets } from '../../helpers/sockets.ts';
import { turn, within } from '../../helpers/until.ts';

const KIB = 1_024;
/** What a side sends is cut from this, so that a byte out of place shows. */
const STREAM = Buffer.alloc(6 * KIB * KIB + 1);
for (let at = 0; at + 4 <= STREAM.length; at += 4) {
  STREAM.writeUInt32LE(Math.imul(at + 1, 2_654_435_761) >>> 0, at);
}

type Step =
  | { readonly do: 'write'; readonly length: number }
  | { readonly do: 'wait'; readonly turns: number }
  /** Reads nothing for so many turns. */
  | { readonly do: 'stop'; readonly turns: number };

/** `fin-behind`: once the other's FIN has come. `reset-behind`: RST, straight behind a FIN of its own. */
type Finish = 'fin' | 'fin-behind' | 'reset' | 'reset-behind';

interface Side {
  readonly steps: readonly Step[];
  readonly finish: Finish;
}

interface Plan {
  readonly near: Side;
  readonly far: Side;
  /** Bytes that the visitor had sent before the relay began. */
  readonly early: number;
  /** Turns after which the relay is destroyed. */
  readonly destroyed: number | undefined;
}

const lengths = fc.oneof(
  // Around what one read brings, what a pipe holds, and a turn.
  fc.constantFrom(1, 2, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144, 262_145, KIB * KIB),
  fc.integer({ min: 1, max: 300_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), length: lengths }) },
  fc.record({ do: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ do: fc.constant('stop' as const), turns: fc.integer({ min: 1, max: 20 }) }),
);
const side = (finishes: readonly Finish[]): fc.Arbitrary<Side> =>
  fc.record({ steps: fc.array(step, { maxLength: 5 }), finish: fc.constantFrom(...finishes) });
const early = fc.constantFrom(0, 1, 37, 8_192, 65_536, 300_000);
const politely = (near: readonly Finish[], far: readonly Finish[]): fc.Arbitrary<Plan> =>
  fc.record({ near: side(near), far: side(far), early, destroyed: fc.constant(undefined) });

const polite = fc.oneof(
  politely(['fin'], ['fin', 'fin-behind']),
  politely(['fin-behind'], ['fin']),
);
const rude = fc.oneof(
  politely(['reset', 'reset-behind'], ['fin', 'fin-behind']),
  politely(['fin', 'fin-behind'], ['reset', 'reset-behind']),
  fc.record({
    near: side(['fin', 'fin-behind']),
    far: side(['fin', 'fin-behind']),
    early,
    destroyed: fc.integer({ min: 0, max: 30 }),
  }),
);

/** What a side has handed to its socket. */
class Actor {
  readonly #peer: Peer;
  sent: number;

  constructor(peer: Peer, sent = 0) {
    this.#peer = peer;
    this.sent = sent;
  }

  async act({ steps, finish }: Side): Promise<void> {
    const peer = this.#peer;
    for (const next of steps) {
      if (peer.closed) return;
      if (next.do === 'write') {
        const bytes = STREAM.subarray(this.sent, this.sent + next.length);
        this.sent += bytes.length;
        // One that breaks says so at its end.
        void peer.write(bytes).catch(() => undefined);
      } else {
        if (next.do === 'stop') peer.socket.pause();
        for (let i = 0; i < next.turns; i++) await turn();
        peer.socket.resume();
      }
    }
    if (finish === 'fin-behind') await peer.over();
    // Node resets nothing while FIN waits for room.
    if (finish === 'reset-behind' && !peer.closed) await peer.end();
    if (finish.startsWith('reset')) await peer.reset();
    else if (!peer.closed) peer.socket.end();
  }
}

/** Runs a plan to its end; returns what each side got. */
async function run(scene: RelayScene, plan: Plan) {
  const unwritten = STREAM.subarray(0, plan.early);
  const facts = await scene.relay({ unwritten: [unwritten], alreadyIn: plan.early });
  const { near, far, relay } = facts;
  const actors = { near: new Actor(near, plan.early), far: new Actor(far) };
  const acting = [actors.near.act(plan.near), actors.far.act(plan.far)];
  if (plan.destroyed !== undefined) {
    for (let i = 0; i < plan.destroyed; i++) await turn();
    relay.destroy('drain');
  }
  await within(Promise.all(acting), 'both sides');
  await within(Promise.all([over(near), over(far)]), 'the ends of both');
  const reason = await facts.ended();
  return { facts, reason, actors };
}

/** Its end has come and is known. */
async function over(peer: Peer): Promise<void> {
  peer.socket.resume();
  await peer.over();
}

function expectPrefix(peer: Peer, sent: number): number {
  const got = peer.take(peer.buffered);
  expect(got.length).toBeLessThanOrEqual(sent);
  // Not by toEqual, which would print them.
  expect(got.equals(STREAM.subarray(0, got.length))).toBe(true);
  return got.length;
}

function expectCounted({ relay, counters }: RelayFacts): void {
  expect([counters.bytesIn, counters.bytesOut]).toEqual([relay.bytesIn, relay.bytesOut]);
}

function politeReasons({ near, far }: Plan): string[] {
  if (far.finish === 'fin-behind') return ['visitor_fin'];
  return near.finish === 'fin-behind' ? ['local_fin'] : ['visitor_fin', 'local_fin'];
}

/** `seesEvery`: libuv takes a RST behind bytes for a FIN, where FIN was sent already. */
function rudeReasons(plan: Plan, seesEvery: boolean): string[] {
  const { near, far, destroyed } = plan;
  // Who has ended before it is destroyed has ended.
  if (destroyed !== undefined) return ['drain', ...politeReasons(plan)];
  const isNear = near.finish.startsWith('reset');
  const broke = isNear ? 'visitor_reset' : 'channel_reset';
  const first = isNear ? near : far;
  // A FIN ahead of RST may have been all that was left to wait for.
  return first.finish === 'reset' && seesEvery ? [broke] : [broke, 'visitor_fin', 'local_fin'];
}

/** The engine's own relay, because the addon never has descriptors left. */
function fallback(binding: AddonBinding): AddonBinding {
  class Refusing extends binding.RelayThread {
    override begin(): number {
      return 0;
    }
  }
  return { ...binding, RelayThread: Refusing };
}

const BUILDS: [string, AddonBinding | undefined][] = [
  ['epoll and splice', ADDON],
  ['poll and copying', ADDON_PORTABLE],
  ['no descriptors for it', ADDON === undefined ? undefined : fallback(ADDON)],
];

for (const [name, binding] of BUILDS) {
  if (binding === undefined) {
    it.skip(`${name}: it is not built`);
    continue;
  }
  describe(name, () => {
    closesScenes();
    const floor = openSockets();
    afterAll(() => untilSockets(floor, 'after all relays'));

    it('delivers everything, both ways, whoever ends first', async () => {
      const scene = await RelayScene.open(binding);
      await fc.assert(
        fc.asyncProperty(polite, async (plan) => {
          const { facts, reason, actors } = await run(scene, plan);
          const [sentIn, sentOut] = [actors.near.sent, actors.far.sent];
          expect(expectPrefix(facts.far, sentIn)).toBe(sentIn);
          expect(expectPrefix(facts.near, sentOut)).toBe(sentOut);
          expect([facts.relay.bytesIn, facts.relay.bytesOut]).toEqual([sentIn, sentOut]);
          expectCounted(facts);
          expect([facts.near.error, facts.far.error]).toEqual([undefined, undefined]);
          expect(politeReasons(plan)).toContain(reason);
        }),
        { numRuns: 200 },
      );
    }, 120_000);

    it('delivers nothing wrong and ends both where one breaks or it is destroyed', async () => {
      const scene = await RelayScene.open(binding);
      await fc.assert(
        fc.asyncProperty(rude, async (plan) => {
          const { facts, reason, actors } = await run(scene, plan);
          expect(facts.relay.bytesIn).toBeLessThanOrEqual(actors.near.sent);
          expect(facts.relay.bytesOut).toBeLessThanOrEqual(actors.far.sent);
          expect(expectPrefix(facts.far, actors.near.sent)).toBeLessThanOrEqual(
            facts.relay.bytesIn,
          );
          expect(expectPrefix(facts.near, actors.far.sent)).toBeLessThanOrEqual(
            facts.relay.bytesOut,
          );
          expectCounted(facts);
          expect(rudeReasons(plan, !name.startsWith('no '))).toContain(reason);
        }),
        { numRuns: 300 },
      );
    }, 120_000);
  });
}
