/** What cannot be reloaded is a rejected promise, never an exception: callers have one place for it. */
import { afterEach, describe, expect, it } from 'vitest';
import { Client, Server } from '../../../ts/index.ts';
import { Resources } from '../../helpers/process-resources.ts';

const resources = new Resources();
afterEach(() => resources.close());

/** A role, started or not, and its reload with options that are right or wrong. */
interface Role {
  start(): Promise<void>;
  close(options: { deadlineMs: number }): Promise<void>;
  destroy(): void;
  reload(options: 'right' | 'wrong'): Promise<void>;
}

function server(): Role {
  const services = { web: { bindAddr: '127.0.0.1:0', token: 'x' } };
  const bindAddr = { right: '127.0.0.1:0', wrong: 'nowhere' };
  const it = resources.use(new Server({ bindAddr: bindAddr.right, services }));
  return {
    start: () => it.start(),
    close: (options) => it.close(options),
    destroy: () => it.destroy(),
    reload: (options) => it.reload({ bindAddr: bindAddr[options], services }),
  };
}

function client(): Role {
  const services = { web: { localAddr: '127.0.0.1:9', token: 'x' } };
  const remoteAddr = { right: '127.0.0.1:9', wrong: 'nowhere' };
  const it = resources.use(new Client({ remoteAddr: remoteAddr.right, services }));
  return {
    start: () => it.start(),
    close: (options) => it.close(options),
    destroy: () => it.destroy(),
    reload: (options) => it.reload({ remoteAddr: remoteAddr[options], services }),
  };
}

/** The code that a reload rejects with; an exception says so. */
async function rejection(role: Role, options: 'right' | 'wrong'): Promise<unknown> {
  let promise: Promise<void>;
  try {
    promise = role.reload(options);
  } catch (error) {
    return `thrown: ${String(error)}`;
  }
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: unknown }).code,
  );
}

describe.each([
  ['Server', server],
  ['Client', client],
] as const)('%s.reload', (_name, open) => {
  it('rejects before start', async () => {
    expect(await rejection(open(), 'right')).toBe('WARREN_E_STATE');
  });

  it('rejects after close and after destroy', async () => {
    const closed = open();
    await closed.start();
    await closed.close({ deadlineMs: 0 });
    expect(await rejection(closed, 'right')).toBe('WARREN_E_STATE');
    const destroyed = open();
    await destroyed.start();
    destroyed.destroy();
    expect(await rejection(destroyed, 'right')).toBe('WARREN_E_STATE');
  });

  it('rejects options that cannot work, and goes on', async () => {
    const role = open();
    await role.start();
    expect(await rejection(role, 'wrong')).toBe('WARREN_E_CONFIG');
    expect(await rejection(role, 'right')).toBe('resolved');
  });
});
