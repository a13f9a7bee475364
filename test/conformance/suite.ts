/**
 * The conformance suite: what every engine must do, by the contract of `ts/engine/engine.ts`.
 * It knows no engine. Run it over one by `conformance(name, environment)` in a test file, and over the
 * other transports by `transportConformance`.
 */
import { describe } from 'vitest';
import { TRANSPORTS, type TransportName } from '../helpers/transport-cases.ts';
import { binding } from './binding.ts';
import { callbacks } from './callbacks.ts';
import { control } from './control.ts';
import type { Environment } from './environment.ts';
import { faults } from './faults.ts';
import { flow } from './flow.ts';
import { halfClose } from './half-close.ts';
import { lifecycle } from './lifecycle.ts';
import { limits } from './limits.ts';
import { listening } from './listening.ts';
import { noisePatterns } from './noise-patterns.ts';
import { pairing } from './pairing.ts';
import { pool } from './pool.ts';
import { reload } from './reload.ts';
import { reuse } from './reuse.ts';
import { reuseAborts } from './reuse-aborts.ts';
import { reuseBadClient } from './reuse-bad-client.ts';
import { reuseBadServer } from './reuse-bad-server.ts';
import { reuseEnds } from './reuse-ends.ts';
import { reuseFrames } from './reuse-frames.ts';
import { reuseFree } from './reuse-free.ts';
import { reuseGaveUp } from './reuse-gave-up.ts';
import { reuseLifecycle } from './reuse-lifecycle.ts';
import { reusePool } from './reuse-pool.ts';
import { reuseWords } from './reuse-words.ts';
import { sessions } from './sessions.ts';
import { streams } from './streams.ts';
import { transports } from './transports.ts';
import { udp } from './udp.ts';
import { udpBounds } from './udp-bounds.ts';
import { udpFailures } from './udp-failures.ts';
import { visitors } from './visitors.ts';
import { World } from './world.ts';

export function conformance(name: string, environment: Environment): void {
  describe(`engine ${name}`, () => {
    const world = new World(environment);
    pairing(world);
    halfClose(world);
    pool(world);
    visitors(world);
    sessions(world);
    control(world);
    udp(world);
    udpFailures(world);
    udpBounds(world);
    binding(world);
    listening(world);
    streams(world);
    callbacks(world);
    faults(world);
    limits(world);
    lifecycle(world);
    reload(world);
    flow(world);
  });
}

/**
 * Over every transport but tcp: what a transport can change. Not run: visitors and listening, whose
 * sockets are plain in any case; udp, whose frames are bytes of a channel like others (the matrix of
 * `test/interop` carries them over every transport); streams, binding, callbacks, lifecycle and reload,
 * which see a transport only through the streams that sessions, pool and faults use too.
 */
export function transportConformance(name: string, environment: Environment): void {
  describe.each(TRANSPORTS.filter((transport) => transport !== 'tcp'))(
    `engine ${name}, %s`,
    (transport) => {
      const world = new World(environment, transport);
      pairing(world);
      halfClose(world);
      pool(world);
      sessions(world);
      faults(world);
      limits(world);
      flow(world);
      transports(world);
    },
  );
}

/** One engine serves, the other dials. */
export function togetherConformance(name: string, environment: Environment): void {
  describe.each(TRANSPORTS)(`${name}, %s`, (transport) => {
    const world = new World(environment, transport);
    pairing(world);
    halfClose(world);
  });
  describe(name, () => noisePatterns(new World(environment)));
}

/**
 * The same where data channels are reused (docs/wire.md): all that a channel can change, and what only
 * such channels do. Over tcp everything, with flow; over the other transports what their ends can change.
 */
export function reuseConformance(
  name: string,
  environment: Environment,
  transports: readonly TransportName[] = TRANSPORTS,
): void {
  describe.each(transports)(`engine ${name}, reuse, %s`, (transport) => {
    const world = new World(environment, transport, 'reuse');
    pairing(world);
    halfClose(world);
    reuse(world);
    reuseWords(world);
    reuseFree(world);
    reuseEnds(world);
    reuseAborts(world);
    reuseGaveUp(world);
    if (transport !== 'tcp') return;
    pool(world);
    visitors(world);
    sessions(world);
    faults(world);
    limits(world);
    lifecycle(world);
    reload(world);
    flow(world);
    reusePool(world);
    reuseLifecycle(world);
    reuseBadClient(world);
    reuseBadServer(world);
    reuseFrames(world);
  });
}

/** One engine serves, the other dials. */
export function togetherReuseConformance(name: string, environment: Environment): void {
  describe.each(TRANSPORTS)(`${name}, reuse, %s`, (transport) => {
    const world = new World(environment, transport, 'reuse');
    pairing(world);
    halfClose(world);
    reuseEnds(world);
    if (transport !== 'tcp') return;
    reuse(world);
    reuseFree(world);
    reusePool(world);
    reuseLifecycle(world);
  });
}
