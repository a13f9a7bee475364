import { describe, expect, test } from 'vitest';
import { renderEffective } from '../../../ts/config/effective.ts';
import { type LoadedConfig, parseConfig } from '../../../ts/config/load.ts';
import { clientConfig } from '../../../ts/config/options.ts';
import { errorsOf, theError } from '../../helpers/config-errors.ts';

function websocket(role: 'server' | 'client', keys: string): LoadedConfig {
  const address = role === 'server' ? 'bind_addr' : 'remote_addr';
  const text = `[${role}]\n${address} = "h:1"\n[${role}.transport]\ntype = "websocket"
[${role}.transport.websocket]\ntls = false\n${keys}\n`;
  return parseConfig(text, { file: 'x.toml', env: {} });
}

describe('websocket', () => {
  test('path and headers', () => {
    const keys = 'path = "/a/b?c=d"\nheaders = { Host = "h.test", X-Key = "se cret" }';
    const { config, warnings } = websocket('client', keys);
    expect(warnings).toEqual([]);
    const table = config.client?.transport.websocket;
    expect(table?.path).toBe('/a/b?c=d');
    expect([...(table?.headers ?? [])].map(([name, value]) => [name, value.reveal()])).toEqual([
      ['Host', 'h.test'],
      ['X-Key', 'se cret'],
    ]);
    expect(renderEffective(config)).toContain('headers = { Host = "****", X-Key = "****" }');
    expect(websocket('client', '').config.client?.transport.websocket?.path).toBe('/');
  });

  test.each(['', 'a', '/a b', '/a#b', '/é', '/a\\r\\nX: y', '/\\u007f'])('path "%s"', (text) => {
    const error = theError(() => websocket('client', `path = "${text}"`));
    expect(error.key).toBe('client.transport.websocket.path');
    expect(error.message).toContain('not a path');
  });

  test.each([
    ['Connection', 'x', 'owns this header'],
    ['upgrade', 'x', 'owns this header'],
    ['Sec-WebSocket-Key', 'x', 'owns this header'],
    ['sec-websocket-protocol', 'x', 'owns this header'],
    ['X-Warren', 'x', 'owns this header'],
    ['Content-Length', '5', 'owns this header'],
    ['a b', 'x', 'not a header’s name'],
    ['a:b', 'x', 'not a header’s name'],
    ['é', 'x', 'not a header’s name'],
    ['', 'x', 'not a header’s name'],
    ['X', 'hunter2\\r\\nY: z', 'not a header’s value'],
    ['X', ' hunter2', 'not a header’s value'],
    ['X', 'hunter2 ', 'not a header’s value'],
    ['X', 'hunter2é', 'not a header’s value'],
    ['X', 'hunter2\\u0000', 'not a header’s value'],
  ])('header "%s" = "%s"', (name, value, message) => {
    const error = theError(() => websocket('client', `headers."${name}" = "${value}"`));
    expect(error.message).toContain(message);
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });

  test('the same header twice, and more than a server takes', () => {
    expect(theError(() => websocket('client', 'headers = { a = "1", A = "2" }')).message).toContain(
      'twice',
    );
    const many = Array.from({ length: 33 }, (_, index) => `X-${index} = "v"`).join(', ');
    const error = theError(() => websocket('client', `headers = { ${many} }`));
    expect(error.message).toContain('more headers');
  });

  test('a server has no use for headers', () => {
    const { config, warnings } = websocket('server', 'headers = { X = "y" }');
    expect(warnings.map(({ key }) => key)).toEqual(['server.transport.websocket.headers']);
    expect(config.server?.transport.websocket?.headers.size).toBe(0);
  });

  test('options name headers as they are', () => {
    const transport = {
      type: 'websocket' as const,
      websocket: { tls: false, headers: { some_name: 'é' } },
    };
    const errors = errorsOf(() => clientConfig({ remoteAddr: 'h:1', transport }));
    expect(errors.map(({ key }) => key)).toEqual(['transport.websocket.headers.some_name']);
  });
});
