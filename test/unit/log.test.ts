import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Log, logSettings, openLog } from '../../ts/log.ts';

describe('log settings', () => {
  it('takes the level from WARREN_LOG before RUST_LOG, and info without either', () => {
    expect(logSettings({ WARREN_LOG: 'debug', RUST_LOG: 'error' }, false).level).toBe('debug');
    expect(logSettings({ RUST_LOG: 'WARN' }, false).level).toBe('warn');
    expect(logSettings({ RUST_LOG: '' }, false).level).toBe('info');
    expect(logSettings({}, false).level).toBe('info');
    expect(logSettings({ WARREN_LOG: 'off' }, false).level).toBe('silent');
  });

  it('ignores filter syntax and says what is understood', () => {
    const settings = logSettings({ RUST_LOG: 'rathole=debug' }, false);
    expect(settings.level).toBe('info');
    expect(settings.ignored).toEqual([
      {
        variable: 'RUST_LOG',
        value: 'rathole=debug',
        understood: 'error warn info debug trace off',
      },
    ]);
  });

  it('falls back to RUST_LOG when WARREN_LOG is not understood', () => {
    const settings = logSettings({ WARREN_LOG: 'loud', RUST_LOG: 'error' }, false);
    expect(settings.level).toBe('error');
    expect(settings.ignored.map(({ variable }) => variable)).toEqual(['WARREN_LOG']);
  });

  it('is pretty on a terminal, JSON elsewhere, and can be forced', () => {
    expect(logSettings({}, true).format).toBe('pretty');
    expect(logSettings({}, false).format).toBe('json');
    expect(logSettings({ WARREN_LOG_FORMAT: 'json' }, true).format).toBe('json');
    expect(logSettings({ WARREN_LOG_FORMAT: 'pretty' }, false).format).toBe('pretty');
    expect(logSettings({ WARREN_LOG_FORMAT: 'xml' }, false).ignored).toHaveLength(1);
  });

  it('colours terminals only, and never with NO_COLOR', () => {
    expect(logSettings({}, true).colour).toBe(true);
    expect(logSettings({ NO_COLOR: '1' }, true).colour).toBe(false);
    expect(logSettings({ TERM: 'dumb' }, true).colour).toBe(false);
    expect(logSettings({ WARREN_LOG_FORMAT: 'pretty' }, false).colour).toBe(false);
  });
});

describe('log', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  function open(env: Parameters<typeof openLog>[0]['env']): { log: Log; lines: () => string[] } {
    const folder = mkdtempSync(join(tmpdir(), 'warren-log-'));
    const path = join(folder, 'log');
    const fd = openSync(path, 'a');
    cleanups.push(() => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    });
    const log = openLog({ env, fd, isTerminal: false });
    return { log, lines: () => readFileSync(path, 'utf8').split('\n').slice(0, -1) };
  }

  it('writes one JSON object per line: level word, ISO time, fields, message', async () => {
    const { log, lines } = open({});
    log.info({ service: 'ssh', absent: undefined }, 'service bound');
    log.debug({}, 'not at this level');
    expect(await log.flush(1_000)).toBe(true);
    expect(lines()).toHaveLength(1);
    const record: unknown = JSON.parse(lines()[0] ?? '');
    expect(record).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      service: 'ssh',
      msg: 'service bound',
    });
  });

  it('lets no field value forge a line or reach the terminal, in either form', async () => {
    const evil = 'a\nb\r\u001b[2Jc\u009b1md\u202ee\u2028f';
    for (const format of ['json', 'pretty']) {
      const { log, lines } = open({ WARREN_LOG_FORMAT: format });
      log.warn({ service: evil }, 'visitor not served');
      await log.flush(1_000);
      expect(lines()).toHaveLength(1);
      expect(lines()[0]).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      if (format === 'json') expect(JSON.parse(lines()[0] ?? '').service).toBe(evil);
    }
  });

  it('warns once about a variable that it does not understand', async () => {
    const { log, lines } = open({ RUST_LOG: 'warn,rathole=trace' });
    await log.flush(1_000);
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toContain('environment variable ignored');
    expect(lines()[0]).toContain('error warn info debug trace off');
  });

  it('is silent when it is off', async () => {
    const { log, lines } = open({ WARREN_LOG: 'off' });
    log.error({}, 'nobody hears this');
    await log.flush(1_000);
    expect(lines()).toEqual([]);
  });
});
