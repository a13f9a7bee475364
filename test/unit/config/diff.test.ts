import { expect, test } from 'vitest';
import {
  diffClientConfig,
  diffServerConfig,
  isEmptyDiff,
  renderDiff,
} from '../../../ts/config/diff.ts';
import { renderEffective } from '../../../ts/config/effective.ts';
import { clientConfig, serverConfig } from '../../../ts/config/options.ts';
import { DEFAULT_CHANNELS } from '../../../ts/config/schema.ts';

const before = serverConfig({
  bindAddr: '0.0.0.0:2333',
  defaultToken: 'old',
  services: {
    ssh: { bindAddr: 'h:1' },
    web: { bindAddr: 'h:2', token: 'w' },
    dns: { bindAddr: 'h:3' },
  },
});
const after = serverConfig({
  bindAddr: '0.0.0.0:2334',
  heartbeatIntervalSecs: 10,
  defaultToken: 'new',
  services: {
    ssh: { bindAddr: 'h:1' },
    web: { bindAddr: 'h:5', token: 'w', nodelay: true },
    'a.b': { bindAddr: 'h:4' },
  },
});

test('a plan says what comes, goes and changes', () => {
  expect(diffServerConfig(before, after)).toEqual({
    general: [
      { key: 'bind_addr', before: '"0.0.0.0:2333"', after: '"0.0.0.0:2334"' },
      { key: 'heartbeat_interval', before: '30', after: '10' },
    ],
    added: ['a.b'],
    renewed: [],
    removed: ['dns'],
    changed: [
      { name: 'ssh', changes: [{ key: 'token', before: '****', after: '****' }] },
      {
        name: 'web',
        changes: [
          { key: 'bind_addr', before: '"h:2"', after: '"h:5"' },
          { key: 'nodelay', before: 'unset', after: 'true' },
        ],
      },
    ],
  });
});

test('and prints one line each', () => {
  expect(renderDiff(diffServerConfig(before, after))).toEqual([
    'changed: bind_addr "0.0.0.0:2333" -> "0.0.0.0:2334"',
    'changed: heartbeat_interval 30 -> 10',
    'removed: services.dns',
    'added: services."a.b"',
    'changed: services.ssh.token **** -> ****',
    'changed: services.web.bind_addr "h:2" -> "h:5"',
    'changed: services.web.nodelay unset -> true',
  ]);
});

test('another password of the same proxy is a change', () => {
  const client = (password: string) =>
    clientConfig({
      remoteAddr: 'h:1',
      transport: { type: 'tcp', tcp: { proxy: `http://u:${password}@p` } },
    });
  const diff = diffClientConfig(client('a'), client('b'));
  expect(diff.general).toEqual([
    {
      key: 'transport.tcp.proxy',
      before: '"http://****:****@p:80"',
      after: '"http://****:****@p:80"',
    },
  ]);
  expect(isEmptyDiff(diffClientConfig(client('a'), client('a')))).toBe(true);
});

test.each(['reuse', 'v1'] as const)('channels = "%s" is a change of its section', (channels) => {
  const other = channels === 'v1' ? 'reuse' : 'v1';
  const change = `changed: channels "${other}" -> "${channels}"`;
  const server = (value: typeof channels) => serverConfig({ bindAddr: 'h:1', channels: value });
  expect(renderDiff(diffServerConfig(server(other), server(channels)))).toEqual([change]);
  const client = (value: typeof channels) => clientConfig({ remoteAddr: 'h:1', channels: value });
  expect(renderDiff(diffClientConfig(client(other), client(channels)))).toEqual([change]);
});

test('the effective configuration shows defaults and masks', () => {
  expect(renderEffective({ server: before, client: undefined })).toBe(`[server]
bind_addr = "0.0.0.0:2333"
heartbeat_interval = 30
channels = "${DEFAULT_CHANNELS}"

[server.transport]
type = "tcp"

[server.transport.tcp]
nodelay = true
keepalive_secs = 20
keepalive_interval = 8

[server.services.dns]
type = "tcp"
bind_addr = "h:3"
token = "****"

[server.services.ssh]
type = "tcp"
bind_addr = "h:1"
token = "****"

[server.services.web]
type = "tcp"
bind_addr = "h:2"
token = "****"
`);
});

test('the effective configuration has the tables that are demanded, also empty ones', () => {
  const tls = { identities: [], roots: [], hostname: undefined } as never;
  const server = { ...before, transport: { ...before.transport, tls } };
  const text = renderEffective({ server, client: undefined });
  expect(text).toContain('[server.transport.tls]\n');
});
