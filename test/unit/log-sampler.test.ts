import { describe, expect, it } from 'vitest';
import type { Logger, LogLevel } from '../../ts/log.ts';
import { LogSampler } from '../../ts/log-sampler.ts';

interface Line {
  readonly level: LogLevel;
  readonly fields: object;
  readonly message: string;
}

function setUp(options: { keysMax?: number } = {}) {
  const lines: Line[] = [];
  const write = (level: LogLevel) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  const timers: { readonly ms: number; readonly run: () => void }[] = [];
  const schedule = (ms: number, run: () => void): (() => void) => {
    const timer = { ms, run };
    timers.push(timer);
    return () => {
      const index = timers.indexOf(timer);
      if (index >= 0) timers.splice(index, 1);
    };
  };
  const sampler = new LogSampler(log, { schedule, ...options });
  const endWindow = (): void =>
    timers.splice(0).forEach(({ run }) => {
      run();
    });
  return { lines, sampler, timers, endWindow };
}

describe('log sampler', () => {
  it('passes five of the same message and reason, then counts', () => {
    const { lines, sampler, endWindow } = setUp();
    for (let i = 0; i < 12; i += 1) sampler.warn({ reason: 'bad_hello', peer: i }, 'rejected');
    expect(lines).toHaveLength(5);
    endWindow();
    expect(lines).toHaveLength(6);
    expect(lines[5]).toEqual({
      level: 'warn',
      fields: { of: 'rejected', reason: 'bad_hello', count: 7, windowSeconds: 10 },
      message: 'more of the same',
    });
  });

  it('keeps reasons and messages apart', () => {
    const { lines, sampler } = setUp();
    for (let i = 0; i < 9; i += 1) {
      sampler.warn({ reason: 'bad_hello' }, 'rejected');
      sampler.warn({ reason: 'refused_auth' }, 'rejected');
      sampler.warn({ reason: 'bad_hello' }, 'other');
    }
    expect(lines).toHaveLength(15);
  });

  it('keeps services and places of faults apart, and tells of which it counted', () => {
    const { lines, sampler, endWindow } = setUp();
    for (let i = 0; i < 7; i += 1) {
      for (const service of ['ssh', 'web']) sampler.warn({ service, reason: 'idle' }, 'refused');
      sampler.error({ where: 'relay' }, 'fault');
      sampler.error({ where: 'front' }, 'fault');
    }
    expect(lines).toHaveLength(20);
    endWindow();
    const window = { count: 2, windowSeconds: 10 };
    expect(lines.slice(20).map(({ fields }) => fields)).toEqual([
      { of: 'refused', service: 'ssh', reason: 'idle', ...window },
      { of: 'refused', service: 'web', reason: 'idle', ...window },
      { of: 'fault', where: 'relay', ...window },
      { of: 'fault', where: 'front', ...window },
    ]);
  });

  it('adds up events that stand for many', () => {
    const { lines, sampler, endWindow } = setUp();
    for (let i = 0; i < 5; i += 1) sampler.warn({ count: 1 }, 'rejected');
    sampler.warn({ count: 1_000 }, 'rejected');
    sampler.warn({ count: 24 }, 'rejected');
    endWindow();
    expect(lines.at(-1)?.fields).toMatchObject({ count: 1_024 });
  });

  it('starts anew in the next window and stays quiet when nothing was held back', () => {
    const { lines, sampler, timers, endWindow } = setUp();
    sampler.info({}, 'm');
    expect(timers.map(({ ms }) => ms)).toEqual([10_000]);
    endWindow();
    expect(lines).toHaveLength(1);
    expect(timers).toHaveLength(0);
    for (let i = 0; i < 9; i += 1) sampler.info({}, 'm');
    expect(lines).toHaveLength(6);
  });

  it('remembers a bounded number of keys', () => {
    const { lines, sampler, endWindow } = setUp({ keysMax: 2 });
    for (let i = 0; i < 100; i += 1) sampler.warn({ reason: `r${i}` }, 'm');
    expect(lines).toHaveLength(7);
    endWindow();
    expect(lines.at(-1)?.fields).toMatchObject({ of: 'other', count: 93 });
  });

  it('tells what it held back when it closes, stops its timer, and then lets everything pass', () => {
    const { lines, sampler, timers } = setUp();
    for (let i = 0; i < 7; i += 1) sampler.error({}, 'm');
    sampler.close();
    sampler.close();
    expect(timers).toHaveLength(0);
    expect(lines).toHaveLength(6);
    expect(lines[5]?.fields).toMatchObject({ count: 2 });
    for (let i = 0; i < 7; i += 1) sampler.debug({}, 'm');
    expect(lines).toHaveLength(13);
  });
});
