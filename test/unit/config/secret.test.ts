import { format, inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../../ts/config/secret.ts';

const secret = Secret.from('hunter2');

test('every way of printing shows the mask', () => {
  expect(`${secret}`).toBe('****');
  expect(JSON.stringify({ token: secret })).toBe('{"token":"****"}');
  expect(inspect(secret)).toBe('****');
  expect(inspect({ deep: { token: secret } }, { showHidden: true, depth: 9 })).not.toContain(
    'hunter2',
  );
  expect(format('%s %o %j', secret, secret, secret)).not.toContain('hunter2');
  expect(Object.values(secret)).toEqual([]);
});

test('reveals only when asked', () => {
  expect(secret.reveal()).toBe('hunter2');
});

test('equals by value', () => {
  expect(secret.equals(Secret.from('hunter2'))).toBe(true);
  expect(secret.equals(Secret.from('hunter3'))).toBe(false);
  expect(Secret.from('').isEmpty).toBe(true);
});
