import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';
import {
  type ClientOptions,
  clientConfig,
  type ServerOptions,
  serverConfig,
} from '../../../ts/config/options.ts';

function errorOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const NAMES = ['constructor', '__proto__', 'a.b', 'bind_addr'];

test('a server’s options and the same file give the same configuration', () => {
  const services = Object.fromEntries(NAMES.map((name, at) => [name, { bindAddr: `h:${at + 1}` }]));
  const config = serverConfig({
    bindAddr: '0.0.0.0:2333',
    heartbeatIntervalSecs: 5,
    channels: 'reuse',
    defaultToken: 't',
    transport: { type: 'websocket', tcp: { keepaliveSecs: 9 }, websocket: { tls: false } },
    services,
  });
  const tables = NAMES.map((name, at) => `[server.services."${name}"]\nbind_addr = "h:${at + 1}"`);
  const text = `[server]
bind_addr = "0.0.0.0:2333"
heartbeat_interval = 5
channels = "reuse"
default_token = "t"
transport = { type = "websocket", tcp.keepalive_secs = 9, websocket.tls = false }
${tables.join('\n')}`;
  expect(config).toEqual(parseConfig(text, { file: 'x' }).config.server);
});

test('a client’s options and the same file give the same configuration', () => {
  const config = clientConfig({
    remoteAddr: 'h:1',
    heartbeatTimeoutSecs: 0,
    retryIntervalSecs: 2,
    channels: 'v1',
    services: {
      a: { localAddr: 'l:1', token: 't', type: 'udp', nodelay: false },
      b: { localAddr: 'l:2', token: undefined, retryIntervalSecs: 3, preferIpv6: true },
    },
    defaultToken: 'd',
  });
  const text = `[client]
remote_addr = "h:1"
heartbeat_timeout = 0
retry_interval = 2
channels = "v1"
default_token = "d"
services.a = { local_addr = "l:1", token = "t", type = "udp", nodelay = false }
services.b = { local_addr = "l:2", retry_interval = 3, prefer_ipv6 = true }`;
  expect(config).toEqual(parseConfig(text, { file: 'x' }).config.client);
});

test('a token is what it says: no variables, no files', () => {
  const token = `$\{HOME}`;
  const config = serverConfig({ bindAddr: 'h:1', services: { a: { bindAddr: 'h:2', token } } });
  expect(config.services.get('a')?.token.reveal()).toBe(token);
});

describe('errors speak the options’ names', () => {
  const server = (options: Record<string, unknown>) =>
    // Callers without types can pass anything.
    errorOf(() => serverConfig({ bindAddr: 'h:1', ...options } as unknown as ServerOptions));
  test.each([
    [{ bindAdr: 'h:2' }, 'bindAdr', 'unknown key', 'did you mean `bindAddr`?'],
    [{ bind_addr: 'h:2' }, 'bind_addr', 'unknown key', 'did you mean `bindAddr`?'],
    [{ channels: 'both' }, 'channels', 'unknown value', 'write one of the allowed values'],
    [{ heartbeatIntervalSecs: 1.5 }, 'heartbeatIntervalSecs', 'wrong type', ''],
    [{ heartbeatIntervalSecs: -1 }, 'heartbeatIntervalSecs', 'out of range', ''],
    [{ heartbeatInterval: 1 }, 'heartbeatInterval', 'unknown key', 'heartbeatIntervalSecs'],
    [
      { services: { bind_addr: {} } },
      'services.bind_addr.bindAddr',
      'missing key',
      '`bindAddr = …`',
    ],
    [
      { services: { a: { bindAddr: 'h:2' } } },
      'services.a.token',
      'default token',
      '`defaultToken',
    ],
    [
      { services: { a: { bindAddr: 'h:2', tokenFile: 'x' } } },
      'services.a.tokenFile',
      'unknown',
      '',
    ],
    [
      { services: { a: { bindAddr: 'h:1', token: 't' } } },
      'services.a.bindAddr',
      'taken by bindAddr',
      '',
    ],
    [
      { transport: { type: 'tls', tls: {} } },
      'transport.tls.pkcs12Password',
      'missing key',
      'pkcs12Password',
    ],
    [{ transport: {} }, 'transport.type', 'missing key', ''],
  ])('%j', (options, key, message, remedy) => {
    const found = server(options).diagnostics.find((diagnostic) => diagnostic.key === key);
    expect(found?.message).toContain(message);
    expect(found?.remedy).toContain(remedy);
    expect(found).toMatchObject({ file: 'ServerOptions', line: 0 });
  });

  test('all of them at once, and no secrets', () => {
    const options = {
      remoteAddr: 'h',
      defaultToken: 5,
      tokn: 'hunter2',
      services: { a: 'hunter2' },
    };
    const error = errorOf(() => clientConfig(options as unknown as ClientOptions));
    expect(error.diagnostics.map(({ key }) => key).toSorted()).toEqual([
      'defaultToken',
      'remoteAddr',
      'services.a',
      'tokn',
    ]);
    expect(error.message).not.toContain('hunter2');
    expect(error.message.split('\n')[0]).toMatch(/^ClientOptions: error: /);
  });

  test.each([undefined, null, 5, [], 'x'])('options that are no object: %j', (options) => {
    expect(errorOf(() => serverConfig(options as unknown as ServerOptions)).message).not.toBe('');
  });
});
