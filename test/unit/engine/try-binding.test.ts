/** What makes an addon of the Rust engine one that is taken. */
import { describe, expect, it } from 'vitest';
import { tryBinding } from '../../../ts/engine/try-binding.ts';

const VERSION = '1.2.3';
const FILE = '/x/warren.node';
const FROM = { file: FILE, version: VERSION, remedy: 'build it' };

/** The reason for which an addon with these exports is not taken. */
function reasonFor(exports: unknown): string {
  const result = tryBinding({ ...FROM, load: () => exports });
  return 'reason' in result ? result.reason : 'taken';
}

/** Has every function by every name. */
const EVERYTHING = new Proxy({}, { get: () => () => undefined });

const RIGHT = {
  version: () => VERSION,
  probe: (): string | null => null,
  endReasons: () => [],
  defaultLimits: () => ({}),
  BindingEngine: engineWith(EVERYTHING),
};

function engineWith(methods: object): () => void {
  const BindingEngine = (): void => undefined;
  return Object.assign(BindingEngine, { prototype: methods });
}

describe('tryBinding', () => {
  it('puts what a loader says into one line', () => {
    const fail = (): never => {
      throw new Error('not a valid\r\n  Win32 application.\r\n');
    };
    const result = tryBinding({ ...FROM, load: fail });
    expect(result).toMatchObject({
      reason: `${FILE} cannot be loaded: not a valid Win32 application.`,
      broken: true,
    });
  });

  it.each([[{}], [null], [() => 0], [{ version: VERSION }]])(
    'refuses an addon of somebody else: %j',
    (exports) => expect(reasonFor(exports)).toContain('not warren'),
  );

  it.each(['1.2.2', '1.2.30', '', 'v1.2.3'])('refuses version %j and tells both', (version) => {
    expect(reasonFor({ ...RIGHT, version: () => version })).toBe(
      `${FILE} is of version ${version}, warren of ${VERSION}: build it`,
    );
  });

  it('does not call anything but version() of another version', () => {
    const probe = (): never => {
      throw new Error('called');
    };
    expect(reasonFor({ version: () => '9.9.9', probe })).toContain('9.9.9');
    expect(reasonFor({ version: () => '9.9.9' })).toContain('9.9.9');
  });

  it.each(['BindingEngine', 'defaultLimits', 'endReasons', 'probe'])(
    'refuses one of the same version that has no %s yet',
    (name) => {
      expect(reasonFor({ ...RIGHT, [name]: undefined })).toContain(
        `${FILE} is older than this warren (it has no ${name}): `,
      );
    },
  );

  it.each(['takeUpcalls', 'stopAccepting', 'threads', 'shutdown'])(
    'refuses one of the same version whose engine has no %s yet',
    (name) => {
      const older = new Proxy({}, { get: (_, asked) => (asked === name ? undefined : () => 0) });
      const probe = (): never => {
        throw new Error('called');
      };
      expect(reasonFor({ ...RIGHT, probe, BindingEngine: engineWith(older) })).toBe(
        `${FILE} is older than this warren (it has no ${name}): build it`,
      );
    },
  );

  it('tells what the probe found', () => {
    expect(reasonFor({ ...RIGHT, probe: () => 'splice: EPERM' })).toBe(
      `${FILE} does not work here: splice: EPERM`,
    );
  });

  it('outlives an addon that throws', () => {
    const fail = (): never => {
      throw new Error('panic in probe');
    };
    expect(reasonFor({ ...RIGHT, probe: fail })).toContain('panic in probe');
    expect(reasonFor({ ...RIGHT, version: fail })).toContain('panic in probe');
  });

  it('takes the one that is right', () => {
    expect(reasonFor(RIGHT)).toBe('taken');
  });
});
