/** What a platform package's manifest takes from that of warren. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
// @ts-expect-error: a script, it has no types.
import * as packages from '../../../native/packages/platform-packages.mjs';
import { RUST } from '../../helpers/rust-binding.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'warren-stage-'));
});
afterEach(() => rmSync(out, { recursive: true }));

it.skipIf(RUST === undefined)(
  'names the repository, without which npm refuses provenance',
  async () => {
    const manifest = {
      name: 'warren',
      version: RUST?.version(),
      license: 'Apache-2.0',
      engines: { node: '>=20.19' },
      publishConfig: { access: 'public' },
      repository: { type: 'git', url: 'git+https://example.org/warren.git' },
    };
    // None but the one that was built here.
    const [folder] = await packages.stagePlatformPackages(
      packages.findBinaries(out),
      out,
      manifest,
    );
    const { version, license, repository } = JSON.parse(
      readFileSync(join(String(folder), 'package.json'), 'utf8'),
    );
    expect({ version, license, repository }).toEqual({
      version: manifest.version,
      license: manifest.license,
      repository: manifest.repository,
    });
  },
);
