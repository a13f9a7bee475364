import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, type Diagnostic } from '../../../ts/config/diagnostics.ts';
import { loadConfig, parseConfig } from '../../../ts/config/load.ts';
import { DEFAULT_CHANNELS } from '../../../ts/config/schema.ts';
import { readWholeFile } from '../../../ts/config/sources.ts';

const directory = mkdtempSync(join(tmpdir(), 'warren-load-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ENV = { TOKEN: 'from-env', EMPTY: '' };
const FILES: Record<string, string> = {
  '/etc/warren/token': 'from-file\n',
  '/secrets/two': 'x\n\n',
};
const ref = (name: string) => `"$\{${name}}"`;

function parse(text: string) {
  const readFile = (path: string) => {
    const content = FILES[path];
    if (content === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return Buffer.from(content);
  };
  return parseConfig(text, { file: '/etc/warren/server.toml', env: ENV, readFile });
}

function errorOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

function diagnosticsOf(text: string): readonly Diagnostic[] {
  return errorOf(() => parse(text)).diagnostics;
}

const SERVER = '[server]\nbind_addr = "0.0.0.0:2333"\n';
const SERVICE = '[server.services.a]\nbind_addr = "0.0.0.0:80"\n';

describe('a valid file', () => {
  test('gets rathole’s defaults', () => {
    const { config, warnings } = parse(
      `${SERVER}${SERVICE}token = "t"\n[client]\nremote_addr = "h:1"`,
    );
    expect(warnings).toEqual([]);
    expect(config.server).toMatchObject({
      bindAddr: { host: '0.0.0.0', port: 2333 },
      heartbeatIntervalMs: 30_000,
      transport: {
        type: 'tcp',
        tcp: { nodelay: true, keepaliveSecs: 20, keepaliveIntervalSecs: 8, proxy: undefined },
        tls: undefined,
      },
    });
    expect(config.server?.services.get('a')).toMatchObject({ type: 'tcp', nodelay: undefined });
    expect(config.client).toMatchObject({ heartbeatTimeoutMs: 40_000, preferIpv6: false });
  });

  test('has the same channels on both ends by default, or those that it says', () => {
    const both = (line: string) => `${SERVER}${line}\n[client]\nremote_addr = "h:1"\n${line}`;
    for (const channels of ['reuse', 'v1'] as const) {
      const { config } = parse(both(`channels = "${channels}"`));
      expect([config.server?.channels, config.client?.channels]).toEqual([channels, channels]);
    }
    const { config } = parse(both(''));
    expect(config.server?.channels).toBe(DEFAULT_CHANNELS);
    expect(config.client?.channels).toBe(DEFAULT_CHANNELS);
  });

  test('has channels of two kinds only', () => {
    const [problem, ...others] = diagnosticsOf(`${SERVER}channels = "reused"`);
    expect(others).toEqual([]);
    expect(problem).toMatchObject({
      key: 'server.channels',
      message: 'unknown value',
      allowed: '"reuse" or "v1"',
      remedy: 'did you mean "reuse"?',
    });
  });

  test('a service’s retry interval falls back to the client’s', () => {
    const text = `[client]
remote_addr = "h:1"
retry_interval = 7
default_token = "t"
services = { a = { local_addr = "h:2" }, b = { local_addr = "h:2", retry_interval = 9 } }`;
    const services = parse(text).config.client?.services;
    expect(services?.get('a')?.retryIntervalMs).toBe(7000);
    expect(services?.get('b')?.retryIntervalMs).toBe(9000);
  });

  test('may have a byte order mark, CRLF, and services with any name', () => {
    const text = `\uFEFF${SERVER}default_token = "t"\n${['constructor', '__proto__', '""', '"a.b"']
      .map((name, index) => `[server.services.${name}]\nbind_addr = "h:${index + 1}"\n`)
      .join('')}`.replaceAll('\n', '\r\n');
    const names = [...(parse(text).config.server?.services.keys() ?? [])];
    expect(names).toEqual(['constructor', '__proto__', '', 'a.b']);
  });

  test('ignores tables of transports that are not selected', () => {
    const text = `${SERVER}transport = { type = "tcp", tls = {}, noise = { pattern = "x" } }`;
    expect(parse(text).config.server?.transport).toMatchObject({
      tls: undefined,
      noise: undefined,
    });
  });

  test('decodes a proxy’s credentials and knows its usual port', () => {
    const text = `[client]\nremote_addr = "h:1"\ntransport = { type = "tcp", tcp = { proxy = "socks5://u%40x:p%25@[::1]" } }`;
    const proxy = parse(text).config.client?.transport.tcp.proxy;
    expect(proxy).toMatchObject({ scheme: 'socks5', host: '::1', port: 1080, username: 'u@x' });
    expect(proxy?.password?.reveal()).toBe('p%');
  });

  test('names of other letters than ASCII are those that DNS, HTTP and TLS have', () => {
    const tcp = 'tcp = { proxy = "socks5://prÖxy.example" }';
    const text = `[client]\nremote_addr = "BÜcher.example:1"\ntransport = { type = "tcp", ${tcp} }`;
    const { client } = parse(text).config;
    expect(client?.remoteAddr.host).toBe('xn--bcher-kva.example');
    expect(client?.transport.tcp.proxy?.host).toBe('xn--prxy-6qa.example');
  });
});

describe('tokens', () => {
  const tokenOf = (line: string) =>
    parse(`${SERVER}${SERVICE}${line}`).config.server?.services.get('a')?.token.reveal();

  test('come from the text, the environment or a file', () => {
    expect(tokenOf('token = "t"')).toBe('t');
    expect(tokenOf(`token = ${ref('TOKEN')}`)).toBe('from-env');
    expect(tokenOf('token_file = "token"')).toBe('from-file');
    expect(tokenOf('token_file = "/secrets/two"')).toBe('x\n');
  });

  test('are taken literally unless the whole text is a reference', () => {
    expect(tokenOf('token = "$TOKEN"')).toBe('$TOKEN');
    expect(tokenOf(`token = "x$\{TOKEN}"`)).toBe(`x$\{TOKEN}`);
  });

  test('default to the section’s', () => {
    const { config, files } = parse(`${SERVER}default_token_file = "token"\n${SERVICE}`);
    expect(config.server?.services.get('a')?.token.reveal()).toBe('from-file');
    expect(files).toEqual(['/etc/warren/server.toml', '/etc/warren/token']);
  });

  test.each([
    [`token = ${ref('NOPE')}`, 'NOPE is not set'],
    ['token_file = "nope"', 'there is no such file'],
    ['token = "t"\ntoken_file = "token"', 'both `token` and `token_file`'],
    ['', 'neither a token of its own nor a default token'],
  ])('%s is an error', (line, message) => {
    const [diagnostic, ...rest] = diagnosticsOf(`${SERVER}${SERVICE}${line}`);
    expect(diagnostic?.message).toContain(message);
    expect(diagnostic?.remedy).not.toBe('');
    expect(rest).toEqual([]);
  });

  test('a missing token file is among the error’s files, so that its creation is noticed', () => {
    const error = errorOf(() => parse(`${SERVER}${SERVICE}token_file = "nope"`));
    expect(error.files).toEqual(['/etc/warren/server.toml', '/etc/warren/nope']);
  });

  test('an empty one warns', () => {
    const { warnings } = parse(`${SERVER}${SERVICE}token = ${ref('EMPTY')}`);
    expect(warnings).toMatchObject([{ severity: 'warning', key: 'server.services.a.token' }]);
  });
});

test('all problems are told at once, each at its line', () => {
  const diagnostics = diagnosticsOf(`[server]
bind_adr = "x:1"
heartbeat_interval = 30.0
[server.services.a]
bind_addr = "h:99999"
type = "TCP"
nodelay = "yes"
[server.transport]
tcp.keepalive_secs = -1
[other]
`);
  expect(diagnostics.map(({ line, key }) => [line, key])).toEqual([
    [1, 'server.bind_addr'],
    [2, 'server.bind_adr'],
    [3, 'server.heartbeat_interval'],
    [4, 'server.services.a.token'],
    [5, 'server.services.a.bind_addr'],
    [6, 'server.services.a.type'],
    [7, 'server.services.a.nodelay'],
    [8, 'server.transport.type'],
    [9, 'server.transport.tcp.keepalive_secs'],
    [10, 'other'],
  ]);
});

describe('files that cannot be read', () => {
  test('are told with a remedy', () => {
    const error = errorOf(() => loadConfig(join(directory, 'none.toml')));
    expect(error.code).toBe('WARREN_E_CONFIG');
    expect(error.message).toContain('there is no such file');
    expect(error.files).toEqual([join(directory, 'none.toml')]);
  });

  test('a directory, and bytes that are no UTF-8', () => {
    mkdirSync(join(directory, 'd.toml'));
    writeFileSync(join(directory, 'latin1.toml'), Buffer.from([0x23, 0xe9, 0x0a]));
    expect(errorOf(() => loadConfig(join(directory, 'd.toml'))).message).toContain('directory');
    expect(errorOf(() => loadConfig(join(directory, 'latin1.toml'))).message).toContain('UTF-8');
  });
});

describe('what is no regular file is refused at once', () => {
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  test.each([
    [fifo, 'a FIFO'],
    ['/dev/zero', 'a device'],
    ['/dev/ptmx', 'a device'],
  ])('%s as configuration and as token file', (path, kind) => {
    const [diagnostic] = errorOf(() => loadConfig(path)).diagnostics;
    expect(diagnostic?.message).toContain(`it is ${kind}, not a regular file`);
    expect(diagnostic?.remedy).toContain('regular file');
    const main = join(directory, 'with-token.toml');
    writeFileSync(main, `${SERVER}${SERVICE}token_file = "${path}"`);
    const error = errorOf(() => loadConfig(main));
    expect(error.message).toContain(`it is ${kind}, not a regular file`);
    expect(error.files).toContain(path);
  });

  test('a file that is longer than it says, or than any configuration', () => {
    expect(Buffer.from(readWholeFile('/proc/self/status')).toString()).toContain('Pid:');
    const long = join(directory, 'long.toml');
    writeFileSync(long, `#${' '.repeat(1024 * 1024 - 1)}`);
    expect(readWholeFile(long)).toHaveLength(1024 * 1024);
    writeFileSync(long, `#${' '.repeat(1024 * 1024)}`);
    expect(errorOf(() => loadConfig(long)).message).toContain('longer than 1 MiB');
  });
});

test('the hash follows the content of every file', () => {
  const path = join(directory, 'hash.toml');
  const hashWith = (token: string, comment = '') => {
    writeFileSync(join(directory, 't'), token);
    writeFileSync(path, `${SERVER}${SERVICE}token_file = "t"${comment}`);
    return loadConfig(path).hash;
  };
  const first = hashWith('a');
  expect(hashWith('a')).toBe(first);
  expect(hashWith('b')).not.toBe(first);
  expect(hashWith('a', ' # x')).not.toBe(first);
});
