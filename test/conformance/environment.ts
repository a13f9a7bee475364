/** What the suite is given: how to make an engine and how to get rid of it. */
import type { Engine, EngineOptions } from '../../ts/engine/engine.ts';

export interface Environment {
  setup(options: EngineOptions): Promise<Engine> | Engine;
  /** MUST leave nothing behind, also of an engine that a test closed or destroyed. */
  teardown(engine: Engine): Promise<void>;
}
