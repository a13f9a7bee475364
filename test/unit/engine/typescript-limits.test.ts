import { describe, expect, it } from 'vitest';
import { TYPESCRIPT } from '../../conformance/engines.ts';
import { World } from '../../conformance/world.ts';

describe('limits of the TypeScript engine', () => {
  const world = new World(TYPESCRIPT);

  it('Infinity is never, not at once', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', onWarning);
    const echo = await world.echo();
    const limits = {
      halfCloseIdleMs: Number.POSITIVE_INFINITY,
      poolWaitMs: Number.POSITIVE_INFINITY,
    };
    const { visit } = await world.tunnel({ local: echo.address, limits });
    const visitor = await visit();
    await visitor.write('question');
    await visitor.end();
    expect((await visitor.rest()).toString()).toBe('question');
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});
