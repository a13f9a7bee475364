/**
 * Every byte is tagged by its visitor, between all pairs of engines, under aborts, half-closes, slow readers,
 * short reads and writes, and connections that are cut. `WARREN_SOAK_SECONDS` (default 9) are shared by the
 * pairs; `WARREN_SOAK_SEED` runs a failed one again. From 60 seconds on it is also waited for that the pools
 * are back at their floor, a minute later.
 */
import { describe, expect, it } from 'vitest';
import { statsOf } from '../conformance/control-plane.ts';
import { RUST_ENGINE, TYPESCRIPT, together } from '../conformance/engines.ts';
import type { Environment } from '../conformance/environment.ts';
import { World } from '../conformance/world.ts';
import { freePort } from '../helpers/process-ports.ts';
import type { TunnelProxy } from '../helpers/tunnel-proxy.ts';
import { until } from '../helpers/until.ts';
import { SoakLocal, type SoakResult, soak } from './soak.ts';
import { Dice } from './tagged-bytes.ts';

const SECONDS = Number(process.env['WARREN_SOAK_SECONDS'] ?? 9);
const SEED = Number(process.env['WARREN_SOAK_SEED'] ?? Date.now() % 1_000_000);
const LONG_SECONDS = 60;
const AT_ONCE = 24;
const BYTES_MAX = 512 * 1_024;
const FLOOR = 4;
const SETTLED_MS = 120_000;

const PAIRS: readonly (readonly [string, Environment])[] =
  RUST_ENGINE === undefined
    ? [['typescript serves, typescript dials', TYPESCRIPT]]
    : [
        ['rust serves, rust dials', RUST_ENGINE],
        ['rust serves, typescript dials', together(RUST_ENGINE, TYPESCRIPT)],
        ['typescript serves, rust dials', together(TYPESCRIPT, RUST_ENGINE)],
      ];

describe.each(PAIRS)('tagged bytes, %s', (_name, environment) => {
  const world = new World(environment, 'tcp', 'reuse');
  const forMs = (SECONDS * 1_000) / PAIRS.length;

  const timeout = forMs + 60_000 + (SECONDS < LONG_SECONDS ? 0 : SETTLED_MS);
  it(`no byte of one visitor reaches another (seed ${SEED})`, { timeout }, async () => {
    const result: SoakResult = { visitors: 0, whole: 0, aborted: 0, cuts: 0, bytes: 0, errors: [] };
    const local = world.defer(new SoakLocal(result), (it) => it.close());
    const dice = new Dice(SEED);
    let proxy: TunnelProxy | undefined;
    const entrance = { host: '127.0.0.1', port: await freePort() };
    const { server, client, exposed } = await world.tunnel({
      local: await local.listen(),
      bind: entrance,
      limits: { poolFloor: FLOOR, channelUses: 50 },
      via: async (address) => {
        proxy = await world.tunnelProxy(address, {
          pieceLength: () => (dice.isOneIn(4) ? BYTES_MAX : dice.size(4_000)),
          pauses: () => dice.isOneIn(3),
        });
        return proxy.address;
      },
    });
    if (proxy === undefined) throw new Error('no proxy');
    const cuts = proxy;
    const isBound = () => until(() => exposed.service.address, 'the address');
    await isBound();
    let isOver = false;
    const redialling = (async () => {
      while (!isOver) {
        if (client.sessions.at(-1)?.reasons.length)
          await client.connect(cuts.address).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    world.defer(redialling, () => {
      isOver = true;
      return redialling;
    });
    const common = { atOnce: AT_ONCE, bytesMax: BYTES_MAX, entrance };
    await soak({ ...common, seed: SEED, forMs: forMs * 0.6, cuts }, local, result);
    expect(result.errors).toEqual([]);
    // The last cut may not be known at both ends yet: they have to mean the same session.
    const isSame = (): boolean => {
      const [ours, theirs] = [client.sessions.at(-1), exposed.sessions.at(-1)];
      if (ours === undefined || theirs === undefined) return false;
      const isLive = ours.reasons.length === 0 && theirs.reasons.length === 0;
      return isLive && Buffer.from(ours.key).equals(theirs.key);
    };
    await until(isSame, 'one session at both ends');
    // And every connection that there is, besides the control channel, is an idle channel.
    const isQuiet = (): boolean => {
      const { poolReady, poolRequested, visitorsOpen } = statsOf(server.engine);
      return visitorsOpen + poolRequested === 0 && cuts.open.length === poolReady + 1;
    };
    await until(isQuiet, 'idle channels only');
    await isBound();
    const before = result.visitors;
    await soak({ ...common, seed: SEED + 1, forMs: forMs * 0.4, cuts: undefined }, local, result);
    expect(result.errors).toEqual([]);
    expect(result.visitors).toBeGreaterThan(before);
    expect(result.cuts).toBeGreaterThan(0);
    for (const { engine } of [server, client]) {
      await until(() => statsOf(engine).visitorsOpen === 0, 'every visitor has ended');
    }
    if (process.env['WARREN_SOAK_SECONDS']) process.stderr.write(`${JSON.stringify(result)}\n`);
    if (SECONDS < LONG_SECONDS) return;
    await until(() => statsOf(server.engine).poolReady === FLOOR, 'the floor', SETTLED_MS);
  });
});
