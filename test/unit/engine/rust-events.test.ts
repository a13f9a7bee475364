/** Events of the Rust engine are made by other code than those of the TypeScript engine: same shapes. */
import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../../ts/engine/events.ts';
import { RustEngine } from '../../../ts/engine/rust.ts';
import { TypescriptEngine } from '../../../ts/engine/typescript.ts';
import { event, publicAddress, statsOf } from '../../conformance/control-plane.ts';
import type { Environment } from '../../conformance/environment.ts';
import { World } from '../../conformance/world.ts';
import { RUST } from '../../helpers/rust-binding.ts';
import { until } from '../../helpers/until.ts';

function environmentOf(setup: Environment['setup']): Environment {
  return {
    setup,
    teardown: async (engine) => {
      engine.destroy();
      await engine.close({ deadlineMs: 0 });
    },
  };
}

/** What an event looks like: its keys, and of which type each value is. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value;
  const entries = Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b)));
}

/** Makes events of many types; one of each, by where it came from. */
async function eventsOf(world: World): Promise<Record<string, EngineEvent>> {
  const limits = { visitorsPerService: 1, bindRetryMs: 20 };
  const { server, client, exposed, pair } = await world.tunnel({ accessLog: true, limits });
  const { visitor } = await pair();
  await world.attempt(await publicAddress(exposed)).gone();
  const refused = await event(server.rig, 'visitor_refused');
  const served = ({ bytesIn }: { bytesIn: number }): boolean => bytesIn > 0;
  await visitor.write('x');
  await until(() => statsOf(client.engine).bytesIn === 1, 'the byte');
  await visitor.reset();
  const stranger = await world.connect(server.address);
  await stranger.write(Buffer.alloc(64, 0xff));
  const taken = await world.listener();
  server.expose({ name: 'other', bind: taken.address });
  await world.scriptedClient(server, { name: 'other' });
  return {
    refused,
    served: await event(server.rig, 'visitor_end', served),
    servedByClient: await event(client.rig, 'visitor_end', served),
    bound: await event(server.rig, 'bound'),
    rejected: await event(server.rig, 'tunnel_rejected'),
    bindFailed: await event(server.rig, 'bind_failed'),
  };
}

describe.skipIf(RUST === undefined)('events of the Rust engine', () => {
  const binding = RUST as NonNullable<typeof RUST>;
  const rust = new World(environmentOf((options) => new RustEngine(binding, options)));
  const typescript = new World(environmentOf((options) => new TypescriptEngine(options)));

  it('have the keys and types of those of the TypeScript engine', async () => {
    const [ours, theirs] = [await eventsOf(rust), await eventsOf(typescript)];
    for (const [name, made] of Object.entries(theirs)) {
      expect(shapeOf(ours[name]), name).toEqual(shapeOf(made));
      expect(Object.keys(ours[name] ?? {}).sort(), name).toEqual(Object.keys(made).sort());
    }
  });
});
