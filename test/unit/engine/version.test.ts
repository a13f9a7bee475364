/** Addon and program take each other only when they are of the same version. */
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { expect, it } from 'vitest';
import { packageVersion } from '../../../ts/package-version.ts';

it('package.json and Cargo.toml have one version', () => {
  const text = readFileSync(new URL('../../../Cargo.toml', import.meta.url), 'utf8');
  expect(parse(text)).toMatchObject({ workspace: { package: { version: packageVersion() } } });
  expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
});
