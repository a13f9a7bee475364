/** The engine `addon`: what it hands to its thread, and that its ends are whole. */
import { describe, expect, it } from 'vitest';
import type { AddonBinding } from '../../../ts/dataplane/relay-thread.ts';
import { TypescriptEngine } from '../../../ts/engine/typescript.ts';
import { event, statsOf } from '../../conformance/control-plane.ts';
import { ADDON_ENGINE } from '../../conformance/engines.ts';
import type { Environment } from '../../conformance/environment.ts';
import { World } from '../../conformance/world.ts';
import { ADDON } from '../../helpers/addon-binding.ts';
import type { TransportName } from '../../helpers/transport-cases.ts';
import { until, within } from '../../helpers/until.ts';

const VISITORS = 20;

if (ADDON_ENGINE === undefined || ADDON === undefined) {
  it.skip('engine addon: it is not built; the reason is printed above');
} else {
  const { environment, begun } = counting(ADDON, ADDON_ENGINE);
  const world = new World(ADDON_ENGINE);

  describe('the thread of the engine addon', () => {
    describe.each<[TransportName, number]>([
      ['tcp', 2 * VISITORS],
      ['noise', 0],
      ['tls', 0],
      ['websocket', 0],
      ['websocket+tls', 0],
    ])('over %s', (transport, expected) => {
      const counted = new World(environment, transport);

      it(`takes ${expected === 0 ? 'no' : 'every'} visitor over, at both ends`, async () => {
        const before = begun();
        const { server, client, pair } = await counted.tunnel();
        for (let i = 0; i < VISITORS; i++) {
          const { visitor, local } = await pair();
          await visitor.write(`visitor ${i}`);
          expect((await local.read(`visitor ${i}`.length)).toString()).toBe(`visitor ${i}`);
          await local.write('answer');
          await visitor.read(6);
          if (i % 2 === 0) await visitor.end();
          if (i % 2 === 0) await local.end();
        }
        expect(begun() - before).toBe(expected);
        for (const { engine } of [server, client]) {
          await until(() => statsOf(engine).visitorsOpen === VISITORS / 2, 'those that stay');
          expect(statsOf(engine).bytesOut).toBe(6 * VISITORS);
        }
      });
    });
  });

  describe('the end of the engine addon', () => {
    it.each(['server', 'client'] as const)(
      'aborts and tells of the visitors of a %s service that was just destroyed',
      async (role) => {
        const { server, exposed, client, pair } = await world.tunnel({ accessLog: true });
        const { visitor, local } = await pair();
        await visitor.write('x');
        await local.read(1);
        const { service, rig } = role === 'server' ? { ...exposed, ...server } : client;
        service.destroy();
        await within(rig.engine.close({ deadlineMs: 0 }), 'the close');
        expect((await event(rig, 'visitor_end')).reason).toBe('destroyed');
        await visitor.gone();
        await local.gone();
        expect([visitor.wasReset, local.wasReset]).toEqual([true, true]);
      },
    );
  });
}

/** Engines that tell how many relays their threads took over. */
function counting(binding: AddonBinding, { teardown }: Environment) {
  let count = 0;
  class Counting extends binding.RelayThread {
    override begin(...args: Parameters<InstanceType<AddonBinding['RelayThread']>['begin']>) {
      const id = super.begin(...args);
      if (id > 0) count += 1;
      return id;
    }
  }
  const counted: AddonBinding = { ...binding, RelayThread: Counting };
  const environment: Environment = {
    setup: (options) => new TypescriptEngine(options, counted),
    teardown,
  };
  return { environment, begun: () => count };
}
