import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSuite } from '../../../bench/micro/check.ts';
import { findEngines } from '../../../bench/micro/engines.ts';
import { ENGINE_SUITES } from '../../../bench/micro/suites/engines.ts';
import { SUITES } from '../../../bench/micro/suites/suites.ts';
import { type Echo, openEcho } from '../../../bench/micro/tunnel/echo.ts';
import { openTunnel } from '../../../bench/micro/tunnel/tunnel.ts';
import { Visitor, visit } from '../../../bench/micro/tunnel/visitor.ts';

const ENGINES = findEngines();

describe('the results of', () => {
  it.each(SUITES)('$name are right', async (suite) => {
    expect(await checkSuite(suite, ENGINES.found)).toEqual([]);
  });

  it('pure code are still right after a batch', () => {
    for (const suite of SUITES) {
      if (suite.method !== 'tinybench') continue;
      for (const task of suite.tasks()) {
        task.prepare?.(20);
        for (let index = 0; index < 20; index += 1) expect(task.run(index)).toBeDefined();
        task.check();
      }
    }
  });
});

describe('engines', () => {
  it('that are there are compared, and the typescript one always is', async () => {
    expect(ENGINES.found.map(({ name }) => name)).toContain('typescript');
    for (const suite of ENGINE_SUITES) {
      const { tasks, close } = await suite.open(ENGINES.found);
      await close();
      const names = [...ENGINES.found.map(({ name }) => name), 'no tunnel'];
      expect(tasks.map(({ name }) => name)).toEqual(names);
    }
  });

  it('that are not there are left out by their reason', () => {
    const { found, missing } = findEngines([
      { name: 'rust', find: () => ({ reason: 'no such file', broken: false }) },
    ]);
    expect(found).toEqual([]);
    expect(missing).toEqual([{ name: 'rust', reason: 'no such file' }]);
  });

  it.each(ENGINES.found)('$name: a tunnel carries a visitor and closes', async (engine) => {
    const echo = await openEcho();
    const tunnel = await openTunnel(engine, 'noise', echo.port);
    const visitor = await Visitor.connect(tunnel.port);
    expect(Buffer.concat(await visitor.exchange(Buffer.from('there')))).toEqual(
      Buffer.from('there'),
    );
    await tunnel.close();
    await expect(visitor.exchange(Buffer.from('more'))).rejects.toThrow();
    await expect(Visitor.connect(tunnel.port)).rejects.toThrow('ECONNREFUSED');
    await echo.close();
  });
});

describe('a visitor', () => {
  let echo: Echo;
  beforeAll(async () => {
    echo = await openEcho();
  });
  afterAll(() => echo.close());

  it('has all bytes back when it settles, however they were cut', async () => {
    const bytes = Buffer.alloc(3_000_000, 'abc');
    const visitor = await Visitor.connect(echo.port);
    expect(Buffer.concat(await visitor.exchange(bytes)).equals(bytes)).toBe(true);
    visitor.destroy();
    expect(Buffer.concat(await visit(echo.port, bytes)).equals(bytes)).toBe(true);
  });

  it('that comes for one question tells how much is missing of its answer', async () => {
    const server = net.createServer((socket) => socket.end('ab'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const visited = visit(port, Buffer.from('abcde'));
    await expect(visited).rejects.toThrow('a visitor got 3 bytes less than it had sent');
    server.close();
  });
});
