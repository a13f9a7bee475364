import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../ts/commands/start-garbage.ts';
import { turn } from '../../helpers/until.ts';

describe('garbage of a start', () => {
  it('is collected, and nobody else is given the call for it', async () => {
    const kept = new WeakRef({ text: 'a start' });
    // What a turn has looked at stays for as long as that.
    await turn();
    collectGarbage();
    expect(kept.deref()).toBeUndefined();
    expect(vm.runInNewContext('typeof gc')).toBe('undefined');
  });
});
