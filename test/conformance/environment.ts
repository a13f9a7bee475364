/** What the suite is given: how to make an engine and how to get rid of it. */
import type { Engine, EngineOptions } from '../../ts/engine/engine.ts';

export interface Environment {
  /** `role`: which end of a tunnel it will be; most tests have one engine only, a server. */
  setup(options: EngineOptions, role: 'server' | 'client'): Promise<Engine> | Engine;
  /** MUST leave nothing behind, also of an engine that a test closed or destroyed. */
  teardown(engine: Engine): Promise<void>;
}
