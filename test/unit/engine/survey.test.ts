import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Tier } from '../../../ts/engine/select.ts';
import { surveyEngines } from '../../../ts/engine/survey.ts';

afterEach(() => vi.unstubAllEnvs());

function open(): never {
  throw new Error('started');
}

const RUST: Tier = {
  name: 'rust',
  find: () => ({ addon: '/x/warren.node', passedOver: ['/y is empty'], open }),
};
const NO_RUST: Tier = { name: 'rust', find: () => ({ reason: 'is of version 2', broken: true }) };
const NO_ADDON: Tier = { name: 'addon', find: () => ({ reason: 'not built', broken: false }) };
const TYPESCRIPT: Tier = { name: 'typescript', find: () => ({ open }) };

describe('surveyEngines', () => {
  it('has every engine, the chosen one, and the reasons, and starts none', () => {
    expect(surveyEngines('auto', [RUST, NO_ADDON, TYPESCRIPT])).toEqual({
      wanted: 'auto',
      chosen: 'rust',
      problem: undefined,
      engines: [
        { name: 'rust', state: 'usable', addon: '/x/warren.node', reasons: ['/y is empty'] },
        { name: 'addon', state: 'missing', addon: undefined, reasons: ['not built'] },
        { name: 'typescript', state: 'usable', addon: undefined, reasons: [] },
      ],
    });
  });

  it('chooses the first that is usable', () => {
    const { chosen, engines } = surveyEngines('auto', [NO_RUST, NO_ADDON, TYPESCRIPT]);
    expect(chosen).toBe('typescript');
    expect(engines.map(({ state }) => state)).toEqual(['broken', 'missing', 'usable']);
  });

  it('does not look at those that may not be taken', () => {
    const find = (): never => {
      throw new Error('looked at');
    };
    const { chosen, engines } = surveyEngines('typescript', [{ name: 'rust', find }, TYPESCRIPT]);
    expect(chosen).toBe('typescript');
    const reasons = ['not looked at: WARREN_ENGINE=typescript'];
    expect(engines[0]).toEqual({ name: 'rust', state: 'skipped', addon: undefined, reasons });
  });

  it('says why a start would fail', () => {
    const tiers = [NO_RUST, TYPESCRIPT];
    expect(surveyEngines('rust', tiers)).toMatchObject({
      chosen: undefined,
      problem: 'WARREN_ENGINE=rust: is of version 2',
    });
    expect(surveyEngines('ruby', tiers)).toMatchObject({
      chosen: undefined,
      problem: 'WARREN_ENGINE=ruby: no such engine (allowed: auto, rust, typescript)',
    });
    vi.stubEnv('WARREN_THREADS', 'many');
    expect(surveyEngines('auto', tiers)).toMatchObject({
      chosen: undefined,
      problem: 'WARREN_THREADS=many: a whole number from 1 to 256 is needed',
    });
  });

  it('asks the environment, and knows the engines of this package', () => {
    vi.stubEnv('WARREN_ENGINE', 'typescript');
    const { wanted, chosen, engines } = surveyEngines();
    expect({ wanted, chosen }).toEqual({ wanted: 'typescript', chosen: 'typescript' });
    expect(engines.map(({ name }) => name)).toEqual(['rust', 'addon', 'typescript']);
  });
});
