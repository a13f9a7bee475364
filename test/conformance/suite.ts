/**
 * The conformance suite: what every engine must do, by the contract of `ts/engine/engine.ts`.
 * It knows no engine. Run it over one by `conformance(name, environment)` in a test file.
 */
import { describe } from 'vitest';
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
import { pairing } from './pairing.ts';
import { pool } from './pool.ts';
import { reload } from './reload.ts';
import { sessions } from './sessions.ts';
import { streams } from './streams.ts';
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
