/** JavaScript sleeps, counted where it would be woken: upcalls of the Rust engine while visitors come and go. */
import { describe, expect, it } from 'vitest';
import { RustEngine } from '../../ts/engine/rust.ts';
import { RUST } from '../helpers/rust-binding.ts';
import { until } from '../helpers/until.ts';
import { endsOf, event } from './control-plane.ts';
import { World } from './world.ts';

const VISITORS = 200;

if (RUST === undefined) {
  it.skip('engine rust: it is not built; the reason is printed above');
} else {
  const binding = RUST;
  let wakeUps = 0;
  class CountingEngine extends binding.BindingEngine {
    constructor(options: ConstructorParameters<typeof binding.BindingEngine>[0], wake: () => void) {
      super(options, () => {
        wakeUps += 1;
        wake();
      });
    }
  }
  const environment = {
    setup: (options: ConstructorParameters<typeof RustEngine>[1]) =>
      new RustEngine({ ...binding, BindingEngine: CountingEngine }, options),
    teardown: async (engine: {
      destroy(): void;
      close(how: { deadlineMs: number }): Promise<void>;
    }) => {
      engine.destroy();
      await engine.close({ deadlineMs: 0 });
    },
  };

  describe.each(['v1', 'reuse'] as const)('wake-ups of the Rust engine, %s', (channels) => {
    const world = new World(environment, 'tcp', channels);
    it(`there are none while ${VISITORS} visitors come and go`, async () => {
      const echo = await world.echo();
      const { server, client, visit } = await world.tunnel({ local: echo.address });
      await event(server.rig, 'bound');
      const one = async (number: number): Promise<void> => {
        const visitor = await visit();
        await visitor.write(`visitor ${number}`);
        if (number % 4 === 3) await visitor.reset();
        else {
          await visitor.end();
          expect((await visitor.rest()).toString()).toBe(`visitor ${number}`);
        }
      };
      await one(0);
      expect(wakeUps).toBeGreaterThan(0);
      const before = wakeUps;
      for (let number = 0; number < VISITORS; number += 10) {
        await Promise.all(Array.from({ length: 10 }, (_, each) => one(number + each)));
      }
      for (const { engine } of [server, client]) {
        await until(() => endsOf(engine, 'visitor_fin') === 1 + (VISITORS * 3) / 4, 'their ends');
      }
      expect(wakeUps).toBe(before);
    });
  });
}
