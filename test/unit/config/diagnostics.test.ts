import { describe, expect, test } from 'vitest';
import { ConfigError, renderDiagnostics } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';
import { editDistance, suggest } from '../../../ts/config/suggest.ts';

function messageOf(text: string): string {
  try {
    return renderDiagnostics(parseConfig(text, { file: 'server.toml', env: {} }).warnings);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

test('a block says where, what, and what to do', () => {
  const text =
    '[server]\nbind_addr = "h:1"\n[server.services.ssh]\ntoken = "hunter2"\n  bind_adr = "h:2"\n';
  expect(messageOf(text)).toBe(`server.toml:3:18: error: server.services.ssh.bind_addr: missing key
  3 | [server.services.ssh]
    |                  ^
  found:   no such key
  allowed: a string "host:port"
  remedy:  add \`bind_addr = …\` to [server.services.ssh]

server.toml:5:3: error: server.services.ssh.bind_adr: unknown key
  5 |   bind_adr = ****
    |   ^
  found:   the key \`bind_adr\`
  allowed: bind_addr, type, token, token_file, nodelay
  remedy:  did you mean \`bind_addr\`?`);
});

test('the caret stands under a value whose line has masked ones before it', () => {
  const line = 'a = { token = "hunter2-is-long", bind_addr = 5 } # old token hunter2';
  const lines = messageOf(`[server]\nbind_addr = "h:1"\n[server.services]\n${line}`).split('\n');
  expect(lines[1]).toBe('  4 | a = { token = ****, bind_addr = 5 }');
  expect(lines[2]?.indexOf('^')).toBe(lines[1]?.indexOf('5 }'));
});

describe('no message shows a secret', () => {
  const head = '[server]\nbind_addr = "h:1"\n';
  const service = `${head}[server.services.a]\nbind_addr = "h:2"\n`;
  const transport = `${head}[server.transport]\n`;
  test.each([
    ['a misspelled key', `${service}tokn = "hunter2"`],
    ['a misspelled key with a number', `${service}tokn = 4711`],
    ['a table’s place', `${head}services = { a = "hunter2" }`],
    ['a wrong type', `${service}token = ["hunter2"]`],
    ['a wrong type, number', `${service}token = 4711`],
    ['a comment', `${service}nodelay = 1 # hunter2\ntoken = "x"`],
    ['a key', `${transport}type = "noise"\nnoise.local_private_key = "hunter2"`],
    ['a proxy', `${transport}type = "tcp"\ntcp.proxy = "ftp://hunter2:4711@h"`],
    ['a proxy without scheme', `${transport}type = "tcp"\ntcp.proxy = "hunter2:4711@h"`],
    ['a proxy with many @', `${transport}type = "tcp"\ntcp.proxy = "ftp://u:hunter2@4711@h"`],
    ['a password of another type', `${transport}type = "tcp"\ntls.pkcs12_password = 4711`],
    ['an unknown table', `${head}[server.secrets]\na = "hunter2"\nb = ["hunter2"]`],
    ['a nested value at a plain key', `${service}token = "x"\nnodelay = { token = "hunter2" }`],
    ['syntax: unfinished', `${service}token = "hunter2`],
    ['syntax: unquoted', `${service}token = hunter2`],
    ['syntax: no =', `${service}token "hunter2"`],
    ['syntax: colon', `${service}token: "hunter2"`],
    ['syntax: quoted key', `${service}"token" = "hunter2`],
    ['syntax: multi-line', `${service}token = """\nhunter2 \\q\n"""`],
    ['syntax: multi-line that looks plain', `${service}token = """\nbind_addr = hunter2 \\q\n"""`],
    ['syntax: multi-line that looks like a header', `${service}token = '''\n[hunter2\u0001\n'''`],
    ['syntax: two pairs', `${service}nodelay = true token = "hunter2"`],
    ['syntax: inline', `${head}services = { a = { token = "hunter2" bind_addr = "h:2" } }`],
    ['syntax: bad escape', `${service}token = "hunter2\\q"`],
    ['syntax: misspelled', `${service}tokn = "hunter2\\q"`],
    ['syntax: after', `${service}token = "hunter2"\nnodelay = `],
    ['syntax: before', `${service}nodelay = \ntoken = "hunter2"`],
    ['syntax: no line end', `${service}nodelay = true hunter2`],
  ])('%s', (_name, text) => {
    const message = messageOf(text);
    expect(message).not.toBe('');
    expect(message).not.toMatch(/hunter2|4711/);
  });
});

test('a syntax error shows a plain line and its place', () => {
  expect(messageOf('[server]\nbind_addr = 0.0.0.0:2333\n')).toMatch(
    /^server\.toml:2:\d+: error: not valid TOML: .*\n {2}2 \| bind_addr = 0\.0\.0\.0:2333\n {4}\| +\^/,
  );
  expect(messageOf('\n= 1')).toContain('server.toml:2:1');
});

test('a very long line is shown around the caret', () => {
  const message = messageOf(`${' '.repeat(50_000)}bind_addr = 1`);
  expect(message.length).toBeLessThan(1000);
});

test('suggestions are near, or none', () => {
  const keys = ['bind_addr', 'token', 'heartbeat_interval'];
  expect(suggest('bindAddr', keys)).toBe('bind_addr');
  expect(suggest('tokn', keys)).toBe('token');
  expect(suggest('heartbeat-intervall', keys)).toBe('heartbeat_interval');
  expect(suggest('colour', keys)).toBeUndefined();
  expect(suggest('x'.repeat(100_000), keys)).toBeUndefined();
  expect(editDistance('kitten', 'sitting')).toBe(3);
});
