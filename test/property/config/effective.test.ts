import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { renderEffective } from '../../../ts/config/effective.ts';
import { leafPaths } from '../../../ts/config/schema-walk.ts';
import { clientConfigs, serverConfigs } from './arbitrary.ts';

test('the effective configuration is valid TOML with known keys only, in one order', () => {
  const known = new Set(leafPaths());
  fc.assert(
    fc.property(serverConfigs, clientConfigs, (server, client) => {
      const text = renderEffective({ server, client });
      const parsed = parse(text);
      for (const path of pathsOf(parsed)) expect(known).toContain(path);
      const services = new Map([...server.services].toReversed());
      expect(renderEffective({ server: { ...server, services }, client })).toBe(text);
      expect(Object.keys(Object(parsed['server']).services ?? {}).toSorted()).toEqual(
        [...server.services.keys()].toSorted(),
      );
    }),
  );
});

function pathsOf(value: unknown, path: string[] = []): string[] {
  if (typeof value !== 'object' || value === null) return [path.join('.')];
  const isNamed = (path.length === 2 && path[1] === 'services') || path.at(-1) === 'headers';
  return Object.entries(value).flatMap(([key, inner]) =>
    pathsOf(inner, [...path, isNamed ? '*' : key]),
  );
}
