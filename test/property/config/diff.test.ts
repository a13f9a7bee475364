import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ConfigDiff,
  diffClientConfig,
  diffServerConfig,
  isEmptyDiff,
  renderDiff,
} from '../../../ts/config/diff.ts';
import { renderEffective } from '../../../ts/config/effective.ts';
import {
  clientFacts,
  type Fact,
  type SectionFacts,
  serverFacts,
} from '../../../ts/config/facts.ts';
import { clientConfigs, serverConfigs } from './arbitrary.ts';

/** Follows the plan: only what it names is taken from the goal. */
function apply(diff: ConfigDiff, from: SectionFacts, goal: SectionFacts): SectionFacts {
  const services = new Map(from.services);
  for (const name of diff.removed) services.delete(name);
  for (const name of diff.added) services.set(name, goal.services.get(name) ?? []);
  for (const { name, changes } of diff.changed) {
    const keys = changes.map(({ key }) => key);
    services.set(name, patch(keys, services.get(name) ?? [], goal.services.get(name) ?? []));
  }
  const keys = diff.general.map(({ key }) => key);
  const general = patch(keys, from.general, goal.general);
  return { general, services, usesTls: goal.usesTls };
}

function patch(keys: readonly string[], from: readonly Fact[], goal: readonly Fact[]): Fact[] {
  const kept = from.filter(({ key }) => !keys.includes(key));
  return [...kept, ...goal.filter(({ key }) => keys.includes(key))];
}

function plain({ general, services }: SectionFacts) {
  const flat = (facts: readonly Fact[]) =>
    Object.fromEntries(
      facts.map(({ key, text, secrets }) => [key, [text, ...secrets.map((s) => s.reveal())]]),
    );
  return {
    general: flat(general),
    services: new Map([...services].map(([name, facts]) => [name, flat(facts)])),
  };
}

test('a configuration does not differ from itself', () => {
  fc.assert(fc.property(serverConfigs, (a) => isEmptyDiff(diffServerConfig(a, structuredCopy(a)))));
  fc.assert(fc.property(clientConfigs, (a) => isEmptyDiff(diffClientConfig(a, structuredCopy(a)))));
});

/** Another object with the same content; secrets cannot be cloned and stay. */
function structuredCopy<T extends { services: ReadonlyMap<string, object> }>(config: T): T {
  const services = new Map(
    [...config.services].toReversed().map(([name, value]) => [name, { ...value }]),
  );
  return { ...config, services };
}

test('following the plan leads to the other configuration', () => {
  fc.assert(
    fc.property(serverConfigs, serverConfigs, (a, b) => {
      const [from, goal] = [serverFacts(a), serverFacts(b)];
      expect(plain(apply(diffServerConfig(a, b), from, goal))).toEqual(plain(goal));
    }),
  );
  fc.assert(
    fc.property(clientConfigs, clientConfigs, (a, b) => {
      const [from, goal] = [clientFacts(a), clientFacts(b)];
      expect(plain(apply(diffClientConfig(a, b), from, goal))).toEqual(plain(goal));
    }),
  );
});

test('every leaf of a checked configuration has a fact', () => {
  fc.assert(
    fc.property(serverConfigs, serverConfigs, (a, b) => {
      const same = isEmptyDiff(diffServerConfig(a, b));
      expect(same).toBe(JSON.stringify(revealed(a)) === JSON.stringify(revealed(b)));
    }),
  );
});

/** As plain data: undefined tables and empty ones are one, as they are to whoever uses them. */
function revealed(value: unknown): unknown {
  if (value instanceof Map)
    return revealed(Object.fromEntries([...value].map(([k, v]) => [`:${k}`, v])));
  if (typeof value !== 'object' || value === null) return value;
  if ('reveal' in value && typeof value.reveal === 'function') return [value.reveal()];
  const pairs = Object.entries(value).map(([key, inner]) => [key, revealed(inner)] as const);
  const kept = pairs.filter(([, inner]) => inner !== undefined && JSON.stringify(inner) !== '{}');
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

test('no printed form has a secret', () => {
  fc.assert(
    fc.property(serverConfigs, serverConfigs, clientConfigs, (a, b, client) => {
      const diff = diffServerConfig(a, b);
      expect(JSON.stringify([diff, renderDiff(diff)])).not.toContain('hunter');
      expect(renderEffective({ server: a, client })).not.toContain('hunter');
    }),
  );
});
