import { describe, expect, test } from 'vitest';
import { ConfigError, type Diagnostic } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';

function check(text: string): readonly Diagnostic[] {
  try {
    return parseConfig(text, { file: 'x.toml', env: {} }).warnings;
  } catch (error) {
    if (error instanceof ConfigError) return error.diagnostics;
    throw error;
  }
}

const brief = (text: string) =>
  check(text).map(({ severity, key, message }) => `${severity} ${key}: ${message}`);

const SERVER = '[server]\nbind_addr = "1.2.3.4:2333"\ndefault_token = "t"\n';
const CLIENT = '[client]\nremote_addr = "h:2333"\ndefault_token = "t"\n';
const KEY = Buffer.alloc(32, 7).toString('base64');
const services = (...addresses: string[]) =>
  `${SERVER}services = { ${addresses
    .map(
      (addr, index) =>
        `s${index} = { bind_addr = "${addr.split(' ')[0]}", type = "${addr.split(' ')[1] ?? 'tcp'}" }`,
    )
    .join(', ')} }`;

describe('what can never work is an error', () => {
  test.each([
    ['no section', '', 'neither'],
    [
      'two services, one address',
      services('1.2.3.4:80', '1.2.3.4:080'),
      'taken by server.services.s0.bind_addr',
    ],
    ['two udp services', services('h:80 udp', 'H:80 udp'), 'taken by'],
    ['a service on bind_addr', services('1.2.3.4:2333'), 'taken by server.bind_addr'],
    ['remote_addr without a port', '[client]\nremote_addr = "h"', 'has no port'],
    ['remote port 0', '[client]\nremote_addr = "h:0"', 'port 0'],
    ['local port 0', `${CLIENT}services.a.local_addr = "h:0"`, 'port 0'],
    [
      'ws+tls server without its identity',
      `${SERVER}transport = { type = "websocket", websocket = { tls = true }, tls = {} }`,
      'certificate',
    ],
    [
      'noise client without the server’s key',
      `${CLIENT}transport = { type = "noise", noise = {} }`,
      'server’s public key',
    ],
    [
      'KN server without the client’s key',
      `${SERVER}transport = { type = "noise", noise = { pattern = "Noise_KN_25519_AESGCM_SHA256" } }`,
      'client’s public key',
    ],
    [
      'a one-way pattern',
      `${SERVER}transport = { type = "noise", noise = { pattern = "Noise_N_25519_AESGCM_SHA256" } }`,
      'pattern',
    ],
    [
      'a noise key of 31 bytes',
      `${SERVER}transport = { type = "noise", noise = { local_private_key = "${'A'.repeat(41)}=" } }`,
      'not a Noise key',
    ],
    ...['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`].map((key) => [
      'a public key of small order',
      `${CLIENT}transport = { type = "noise", noise = { remote_public_key = "${Buffer.from(key, 'hex').toString('base64')}" } }`,
      'nobody can have',
    ]),
    [
      'a proxy’s user name of 256 bytes',
      `${CLIENT}transport = { type = "tcp", tcp.proxy = "socks5://${'%C3%BC'.repeat(128)}:p@h" }`,
      '255 bytes',
    ],
    [
      'a proxy’s password of 256 bytes',
      `${CLIENT}transport = { type = "tcp", tcp.proxy = "socks5://u:${'x'.repeat(256)}@h" }`,
      '255 bytes',
    ],
    [
      'a proxy whose name would end a line',
      `${CLIENT}transport = { type = "tcp", tcp.proxy = "socks5://a%0d%0ab" }`,
      'no host has',
    ],
    [
      'a client’s proxy without host',
      `${CLIENT}transport = { type = "tcp", tcp.proxy = "http:" }`,
      'proxy',
    ],
  ])('%s', (_name, text, message) => {
    const errors = brief(text).filter((line) => line.startsWith('error'));
    expect(errors).not.toEqual([]);
    expect(errors.join()).toContain(message);
  });
});

describe('what nobody can mean is a warning', () => {
  test.each([
    [
      'timeout not above interval',
      `${SERVER}heartbeat_interval = 40\n${CLIENT}`,
      'client.heartbeat_timeout',
    ],
    [
      'supervision without heartbeats',
      `${SERVER}heartbeat_interval = 0\n${CLIENT}`,
      'client.heartbeat_timeout',
    ],
    ['retry_interval 0', `${CLIENT}retry_interval = 0`, 'client.retry_interval'],
    [
      'keepalive 0',
      `${SERVER}transport = { type = "tcp", tcp.keepalive_secs = 0 }`,
      'server.transport.tcp.keepalive_secs',
    ],
    [
      'wildcard over a service',
      services('0.0.0.0:80', '1.2.3.4:80'),
      'server.services.s1.bind_addr',
    ],
    ['wildcard over bind_addr', services('[::]:2333'), 'server.services.s0.bind_addr'],
    [
      'an interval beyond timers',
      `${SERVER}heartbeat_interval = 9223372036854775807`,
      'server.heartbeat_interval',
    ],
    [
      'NK server without a key',
      `${SERVER}transport = { type = "noise", noise = {} }`,
      'server.transport.noise.local_private_key',
    ],
    [
      'NK server with a client’s key',
      `${SERVER}transport = { type = "noise", noise = { local_private_key = "${KEY}", remote_public_key = "${KEY}" } }`,
      'server.transport.noise.remote_public_key',
    ],
    [
      'IN client with a server’s key',
      `${CLIENT}transport = { type = "noise", noise = { pattern = "Noise_IN_25519_AESGCM_SHA256", remote_public_key = "${KEY}" } }`,
      'client.transport.noise.remote_public_key',
    ],
    [
      'a server’s proxy',
      `${SERVER}transport = { type = "tcp", tcp.proxy = "http://h" }`,
      'server.transport.tcp.proxy',
    ],
  ])('%s', (_name, text, key) => {
    expect(check(text)).toMatchObject([{ severity: 'warning', key }]);
  });
});

test.each([
  [
    'a key that the pattern transmits',
    `${SERVER}transport = { type = "noise", noise = { pattern = "Noise_X1X1_25519_AESGCM_SHA256", remote_public_key = "${KEY}" } }`,
  ],
  ['no supervision', `${SERVER}heartbeat_interval = 0\n${CLIENT}heartbeat_timeout = 0`],
  ['tcp and udp on one address', services('h:80', 'h:80 udp')],
  ['udp on bind_addr', services('1.2.3.4:2333 udp')],
  ['port 0 twice', services('h:0', 'h:0')],
  ['another address of the port', services('1.2.3.5:2333')],
  ['both families apart', services('0.0.0.0:80', '[::1]:80')],
])('nothing is said about %s', (_name, text) => {
  expect(brief(text)).toEqual([]);
});

test('an interval beyond timers is cut, not overflowed', () => {
  const { config } = parseConfig(`${SERVER}heartbeat_interval = 9223372036854775807`, {
    file: 'x',
  });
  expect(config.server?.heartbeatIntervalMs).toBeLessThan(2 ** 31);
});
