import { describe, expect, it } from 'vitest';
import { prettyLine, safeJsonLine, safeText } from '../../ts/log-pretty.ts';

function line(record: object): string {
  return prettyLine(JSON.stringify({ time: '2024-01-02T03:04:05.678Z', ...record }), false);
}

describe('pretty log lines', () => {
  it('shows time, level, message and fields in one line', () => {
    const text = line({ level: 'info', service: 'ssh', bytesIn: 12, open: true, msg: 'visitor' });
    expect(text).toMatch(
      /^\d\d:\d\d:\d\d\.678 INFO {2}visitor service=ssh bytesIn=12 open=true\n$/,
    );
  });

  it('quotes values that could be taken for more than one', () => {
    expect(line({ level: 'warn', error: 'no "such" host', msg: 'm' })).toContain(
      'm error="no \\"such\\" host"\n',
    );
    expect(line({ level: 'warn', name: 'a=b', empty: '', msg: 'm' })).toContain(
      'm name="a=b" empty=""\n',
    );
  });

  it('escapes controls, in keys and messages too', () => {
    const text = line({ level: 'info', 'k\n': 'v\u001b[31m', msg: 'm\r\nFAKE' });
    expect(text).toContain('m\\r\\nFAKE k\\n="v\\u001b[31m"\n');
  });

  it('puts a stack on indented lines of its own', () => {
    const text = line({
      level: 'error',
      stack: 'Error: x\n    at f (a.ts:1)',
      msg: 'internal fault',
    });
    expect(text).toMatch(/internal fault\n {4}Error: x\n {4}at f \(a\.ts:1\)\n$/);
  });

  it('colours only when told to', () => {
    const json = JSON.stringify({ level: 'error', time: 'x', msg: 'm' });
    expect(prettyLine(json, true)).toContain('\u001b[31mERROR\u001b[0m');
    expect(prettyLine(json, false)).toBe('--:--:--.--- ERROR m\n');
  });

  it('prints what is not a record as it is, made safe', () => {
    expect(prettyLine('not json\u0007\n', false)).toBe('not json\\u0007\n');
    expect(prettyLine('[1]', false)).toBe('[1]\n');
  });
});

describe('safe text', () => {
  it('leaves ordinary text of every language alone', () => {
    expect(safeText('Grüße, 世界 ✔')).toBe('Grüße, 世界 ✔');
  });

  it('escapes direction marks, separators and lone surrogates', () => {
    expect(safeText('\u202e\u2029\ud800')).toBe('\\u202e\\u2029\\ud800');
  });

  it('keeps a JSON line valid JSON with the same value', () => {
    const value = 'a\u0085\u{e0041}\u202eb';
    const safe = safeJsonLine(`${JSON.stringify({ value })}\n`);
    expect(safe).toBe('{"value":"a\\u0085\\udb40\\udc41\\u202eb"}\n');
    expect(JSON.parse(safe)).toEqual({ value });
  });
});
