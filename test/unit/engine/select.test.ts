import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine, EngineOptions } from '../../../ts/engine/engine.ts';
import { END_REASONS, REASONS } from '../../../ts/engine/reason.ts';
import {
  rejectedText,
  type SelectedEngine,
  type Selection,
  selectEngine,
  type Tier,
} from '../../../ts/engine/select.ts';
import { TypescriptEngine } from '../../../ts/engine/typescript.ts';

const opened: Engine[] = [];
beforeEach(() => {
  vi.stubEnv('WARREN_ENGINE', undefined);
  vi.stubEnv('WARREN_THREADS', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.splice(0).map((engine) => engine.close({ deadlineMs: 0 })));
});

async function select(selection: Selection, options: EngineOptions = {}): Promise<SelectedEngine> {
  const selected = await selectEngine(options, selection);
  opened.push(selected.engine);
  return selected;
}

/** A tier that can be had; what it was opened with is in `seen`. */
function present(name: Tier['name'], seen: EngineOptions[] = []): Tier {
  return {
    name,
    find: () => ({
      open: (options) => {
        seen.push(options);
        return new TypescriptEngine(options);
      },
    }),
  };
}

function absent(name: Tier['name'], reason: string): Tier {
  return { name, find: () => ({ reason, broken: false }) };
}

function engineError(...words: string[]): object {
  const matching = words.map((word) => `(?=.*${word})`).join('');
  return expect.objectContaining({
    code: 'WARREN_E_ENGINE',
    message: expect.stringMatching(new RegExp(matching)),
  });
}

describe('selectEngine', () => {
  it.each([undefined, '', 'auto'])('takes the first that can be had for %s', async (wanted) => {
    const seen: EngineOptions[] = [];
    const behind: EngineOptions[] = [];
    const tiers = [
      absent('rust', 'no file'),
      present('addon', seen),
      present('typescript', behind),
    ];
    const { rejected } = await select({ wanted, tiers }, { accessLog: true });
    expect(rejected).toEqual([{ name: 'rust', reason: 'no file', broken: false }]);
    expect(rejected.map(rejectedText)).toEqual(['rust: no file']);
    expect(seen).toEqual([{ accessLog: true }]);
    expect(behind).toEqual([]);
  });

  it('has nothing to tell when the best one can be had', async () => {
    const { rejected } = await select({
      wanted: 'auto',
      tiers: [present('rust'), present('addon')],
    });
    expect(rejected).toEqual([]);
  });

  it('has an engine for auto wherever Node runs', async () => {
    const { engine, rejected } = await select({ wanted: 'auto' });
    expect(['rust', 'addon', 'typescript']).toContain(engine.name);
    for (const { reason } of rejected) expect(reason).not.toBe('');
    const before = ['rust', 'addon', 'typescript'].indexOf(engine.name);
    expect(new Set(rejected.map(({ name }) => name)).size).toBe(before);
  });

  it('keeps what a native engine says of itself', async () => {
    const open = (threads: number | undefined) => (options: EngineOptions) =>
      Object.assign(new TypescriptEngine(options), threads === undefined ? {} : { threads });
    const tier = (threads?: number): Tier => ({
      name: 'rust',
      find: () => ({ addon: '/x/warren.node', open: open(threads) }),
    });
    const native = { threads: 3, addon: '/x/warren.node' };
    expect((await select({ wanted: 'auto', tiers: [tier(3)] })).native).toEqual(native);
    expect((await select({ wanted: 'auto', tiers: [tier()] })).native).toEqual({
      ...native,
      threads: 1,
    });
    expect((await select({ wanted: 'typescript' })).native).toBeUndefined();
  });

  it('goes on behind one that cannot be started', async () => {
    const open = (): never => {
      throw new Error('no threads');
    };
    const tiers: Tier[] = [{ name: 'rust', find: () => ({ open }) }, present('typescript')];
    expect((await select({ wanted: 'auto', tiers })).rejected).toEqual([
      { name: 'rust', reason: 'cannot start: no threads', broken: true },
    ]);
  });

  it('tells which files of the engine that runs are of no use', async () => {
    const tier: Tier = {
      name: 'rust',
      find: () => ({
        addon: '/x/warren.node',
        passedOver: ['/y/warren.node is empty'],
        open: (options) => new TypescriptEngine(options),
      }),
    };
    expect((await select({ wanted: 'rust', tiers: [tier] })).rejected).toEqual([
      { name: 'rust', reason: '/y/warren.node is empty', broken: true },
    ]);
  });

  it('takes the one that is forced, without looking at others', async () => {
    const seen: EngineOptions[] = [];
    const tiers = [present('rust', seen), present('typescript')];
    expect((await select({ wanted: 'typescript', tiers })).rejected).toEqual([]);
    expect(seen).toEqual([]);
    expect((await select({ wanted: 'typescript' })).engine.name).toBe('typescript');
  });

  it('asks the environment', async () => {
    vi.stubEnv('WARREN_ENGINE', 'addon');
    vi.stubEnv('WARREN_THREADS', '3');
    const seen: EngineOptions[] = [];
    await select({ tiers: [present('rust'), present('addon', seen)] });
    expect(seen).toEqual([{ threads: 3 }]);
  });

  it('fails with the reason rather than take another than the one that is forced', async () => {
    const tiers = [absent('rust', 'no file /x'), absent('addon', 'no'), present('typescript')];
    for (const wanted of ['rust', 'addon']) {
      const message = `WARREN_ENGINE=${wanted}: ${wanted === 'rust' ? 'no file /x' : 'no'}`;
      const error = expect.objectContaining({ code: 'WARREN_E_ENGINE', message });
      await expect(select({ wanted, tiers })).rejects.toThrow(error);
    }
  });

  it('has all reasons where no engine can be had', async () => {
    const tiers = [absent('rust', 'no file'), absent('addon', 'no compiler')];
    await expect(select({ wanted: 'auto', tiers })).rejects.toThrow(
      engineError('rust: no file', 'addon: no compiler'),
    );
  });

  it.each(['Typescript', 'ruby', 'rust '])('names those that exist for %j', async (wanted) => {
    await expect(select({ wanted })).rejects.toThrow(
      engineError(`WARREN_ENGINE=${wanted}`, 'auto, rust, addon, typescript'),
    );
  });
});

describe('threads', () => {
  async function threads(
    environment: string | undefined,
    own?: number,
  ): Promise<number | undefined> {
    const seen: EngineOptions[] = [];
    const options = own === undefined ? {} : { threads: own };
    await select({ wanted: 'auto', threads: environment, tiers: [present('rust', seen)] }, options);
    return seen[0]?.threads;
  }

  it.each([
    ['1', 1],
    ['16', 16],
    ['256', 256],
    ['', undefined],
  ])('WARREN_THREADS=%s', async (environment, expected) => {
    expect(await threads(environment)).toBe(expected);
  });

  it('the option of the library goes before the environment', async () => {
    expect(await threads('16', 2)).toBe(2);
    expect(await threads(undefined, 2)).toBe(2);
  });

  it.each(['0', '-1', '257', '1.5', '0x2', ' 2', 'many', '1e2'])(
    'refuses %j',
    async (environment) => {
      await expect(threads(environment)).rejects.toThrow(
        engineError('WARREN_THREADS=', environment, 'from 1 to 256'),
      );
    },
  );

  it.each([0, -1, 257, 1.5, Number.NaN])('refuses the option %d', async (own) => {
    await expect(threads(undefined, own)).rejects.toThrow(engineError('threads', 'from 1 to 256'));
  });

  it('shows a text that was given for a number as a text', async () => {
    await expect(threads(undefined, '2' as unknown as number)).rejects.toThrow(
      engineError(`threads: '2': a whole number`),
    );
  });

  it('says so too where the engine has none of its own', async () => {
    await expect(select({ wanted: 'typescript', threads: 'many' })).rejects.toThrow(
      engineError('WARREN_THREADS=many'),
    );
  });
});

describe('end reasons', () => {
  it('are unique codes with a text each', () => {
    expect(new Set(END_REASONS).size).toBe(END_REASONS.length);
    for (const code of END_REASONS) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(REASONS[code].text).not.toBe('');
    }
  });
});
