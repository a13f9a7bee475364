/** What a role tells of the engine that it opened. */
import { afterEach, expect, it, vi } from 'vitest';
import { RoleBase } from '../../../ts/control/role.ts';
import type { EngineName } from '../../../ts/engine/engine.ts';
import { ADDON } from '../../helpers/addon-binding.ts';
import { RUST } from '../../helpers/rust-binding.ts';

afterEach(() => void vi.unstubAllEnvs());

/** What its log has at debug once it has opened that engine. */
async function debugged(engine: EngineName): Promise<string[]> {
  vi.stubEnv('WARREN_ENGINE', engine);
  const told: string[] = [];
  const log = {
    debug: (_: object, text: string) => told.push(text),
    info() {},
    warn() {},
    error() {},
  };
  const opened = await new RoleBase({ log }).openEngine();
  await opened.close({ deadlineMs: 0 });
  return told;
}

const LEFT = 'keepalive_interval is left to the system: this engine cannot set it';

for (const [engine, isLeft, isBuilt] of [
  ['typescript', true, true],
  ['addon', true, ADDON !== undefined],
  ['rust', false, RUST !== undefined],
] as const) {
  it.skipIf(!isBuilt)(
    `${engine} ${isLeft ? 'leaves' : 'does not leave'} keepalive_interval to the system`,
    async () => {
      expect((await debugged(engine)).includes(LEFT)).toBe(isLeft);
    },
  );
}
