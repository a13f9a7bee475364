import { describe, expect, it } from 'vitest';
import { END_REASONS, REASONS } from '../../../ts/engine/reason.ts';
import { selectEngine } from '../../../ts/engine/select.ts';

describe('selectEngine', () => {
  it.each([undefined, '', 'auto'])('takes the first that can be had for %s', async (wanted) => {
    const { engine, rejected } = selectEngine({}, wanted);
    expect(engine.name).toBe('typescript');
    expect(rejected.map(({ name }) => name)).toEqual(['rust', 'addon']);
    for (const { reason } of rejected) expect(reason).not.toBe('');
    await engine.close({ deadlineMs: 0 });
  });

  it('takes the one that is forced, without looking at others', async () => {
    const { engine, rejected } = selectEngine({}, 'typescript');
    expect(engine.name).toBe('typescript');
    expect(rejected).toEqual([]);
    await engine.close({ deadlineMs: 0 });
  });

  it.each(['rust', 'addon', 'Typescript', 'ruby'])(
    'fails rather than take another than %s',
    (name) => {
      const error = expect.objectContaining({
        code: 'WARREN_E_ENGINE',
        message: expect.stringContaining(name),
      });
      expect(() => selectEngine({}, name)).toThrow(error);
    },
  );
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
