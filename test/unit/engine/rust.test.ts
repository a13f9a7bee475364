/** That both halves of the Rust engine have the same tables, and what its TypeScript half adds. */
import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../../ts/engine/events.ts';
import { REASONS } from '../../../ts/engine/reason.ts';
import { RustEngine } from '../../../ts/engine/rust.ts';
import type { DialSpec, TransportSpec } from '../../../ts/engine/spec.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { packageVersion } from '../../../ts/package-version.ts';
import { RUST } from '../../helpers/rust-binding.ts';

const TCP: TransportSpec = {
  type: 'tcp',
  tcp: { nodelay: true, keepaliveMs: 20_000, keepaliveIntervalMs: 8_000 },
};

describe.skipIf(RUST === undefined)('binding', () => {
  // Skipped without it.
  const binding = RUST as NonNullable<typeof RUST>;

  it('has the end reasons of the table, in its order', () => {
    expect(binding.endReasons()).toEqual(Object.keys(REASONS));
  });

  it('has the limits of the table, field for field', () => {
    expect(binding.defaultLimits()).toEqual(DEFAULT_LIMITS);
  });

  it('has the version of the package', () => {
    expect(binding.version()).toBe(packageVersion());
  });

  it('gives errors, never panics, for what it cannot take', () => {
    const limits = binding.defaultLimits();
    const options = { limits, accessLog: false, events: false, threads: 1 };
    const native = new binding.BindingEngine(options, () => undefined);
    const bind = { host: '127.0.0.1', port: 0 };
    const spec = { name: 'x', type: 'sctp' as 'tcp', bind, nodelay: undefined };
    expect(() => native.openServerService(1, spec)).toThrow('no such service type: sctp');
    expect(() => native.detach(1, 'no_reason' as 'drain')).toThrow('no such end reason: no_reason');
    expect(() => native.dial(1, {} as DialSpec)).toThrow('remote');
    native.shutdown();
    native.shutdown();
    native.detach(1, 'drain');
    expect(native.stats()).toEqual({ services: [], unauthenticated: 0, tunnelRejected: [] });
  });
});

describe.skipIf(RUST === undefined)('RustEngine', () => {
  const binding = RUST as NonNullable<typeof RUST>;

  it.each([1, 3])('has as many threads as it was asked for: %d', async (threads) => {
    const engine = new RustEngine(binding, { threads });
    expect(engine.threads).toBe(threads);
    await engine.close({ deadlineMs: 0 });
  });

  it('takes no control stream of another engine', async () => {
    const [one, other] = [new RustEngine(binding), new RustEngine(binding)];
    const hello = { length: 1, control: Uint8Array.of(1), data: Uint8Array.of(2) };
    const bind = { host: '127.0.0.1', port: 0 };
    const listener = await one.listen(
      { bind, transport: TCP, hello },
      { control: () => undefined },
    );
    const { address: remote } = listener;
    const dial = { remote, preferIpv6: false, transport: TCP, proxy: undefined };
    const control = await one.dial(dial, new AbortController().signal);
    const local = { host: '127.0.0.1', port: 1 };
    const spec = { name: 'x', type: 'tcp', local, nodelay: undefined, preferIpv6: false } as const;
    const service = other.openClientService(spec);
    const bytes = Uint8Array.of(1);
    const routine = {
      create: bytes,
      heartbeat: bytes,
      silenceTimeoutMs: 0,
      hello: bytes,
      start: bytes,
      otherStart: bytes,
      reuse: undefined,
      goodbye: bytes,
    };
    const handler = { surplus: () => undefined, ended: () => undefined };
    const state = expect.objectContaining({ code: 'WARREN_E_STATE' });
    expect(() => service.attach({ control, dial, routine, handler })).toThrow(state);
    await Promise.all([one.close({ deadlineMs: 0 }), other.close({ deadlineMs: 0 })]);
  });

  it('closes without a wait when nothing was opened, and again', async () => {
    const events: EngineEvent[] = [];
    const engine = new RustEngine(binding, { events: (batch) => events.push(...batch) });
    await engine[Symbol.asyncDispose]();
    await engine.close({ deadlineMs: Number.POSITIVE_INFINITY });
    engine.destroy();
    expect(engine.stats()).toEqual({ services: [], unauthenticated: 0, tunnelRejected: {} });
    expect(events).toEqual([]);
  });
});
