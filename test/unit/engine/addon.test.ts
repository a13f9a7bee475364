/** The engine `addon`: what it hands to its thread, and that its ends are whole. */
import { describe, expect, it } from 'vitest';
import { event } from '../../conformance/control-plane.ts';
import { ADDON_ENGINE } from '../../conformance/engines.ts';
import { World } from '../../conformance/world.ts';
import { within } from '../../helpers/until.ts';

if (ADDON_ENGINE === undefined) {
  it.skip('engine addon: it is not built; the reason is printed above');
} else {
  const world = new World(ADDON_ENGINE);

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
