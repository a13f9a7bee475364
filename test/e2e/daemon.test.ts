/** The life of a daemon: announce, serve, reload, drain, end. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliEnv, type CliProcess, CliWorld } from '../helpers/cli.ts';

const TOKEN = 'hunter2-never-print-me';

let world: CliWorld;
let local: Server;
let localPort: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  world = new CliWorld();
  local = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  local.listen(0, '127.0.0.1');
  await once(local, 'listening');
  localPort = portOf(local);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  local.close();
  await world.clean();
});

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function serverToml(services: string): string {
  return `[server]\nbind_addr = "127.0.0.1:0"\ndefault_token = "${TOKEN}"\n${services}`;
}

const ECHO = '[server.services.echo]\nbind_addr = "127.0.0.1:0"\n';

interface Tunnel {
  readonly server: CliProcess;
  readonly client: CliProcess;
  /** Where visitors come in. */
  readonly port: number;
}

async function startTunnel(args: readonly string[] = [], env: CliEnv = {}): Promise<Tunnel> {
  const server = world.start([world.file('s.toml', serverToml(ECHO)), ...args], env);
  const { address } = await server.waitForLog('warren ready');
  const client = world.start([
    world.file(
      'c.toml',
      `[client]\nremote_addr = "${String(address)}"\ndefault_token = "${TOKEN}"\n` +
        `[client.services.echo]\nlocal_addr = "127.0.0.1:${localPort}"\n`,
    ),
  ]);
  const bound = await server.waitForLog('service bound');
  return { server, client, port: Number(String(bound['address']).split(':').at(-1)) };
}

/** A visitor that has been answered: it is being served. */
async function visit(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  socket.write('hello');
  await once(socket, 'data');
  return socket;
}

describe('announcement', () => {
  it('tells version, role and engine, then that it is ready', async () => {
    const { server, client } = await startTunnel();
    expect(await server.waitForLog('warren starts')).toMatchObject({
      level: 'info',
      role: 'server',
      version: expect.stringMatching(/^\d/),
    });
    const { engine } = await server.waitForLog('engine selected');
    expect(await server.waitForLog('warren ready')).toMatchObject({ engine });
    expect(await client.waitForLog('warren ready')).toMatchObject({ role: 'client' });
  });

  it('runs the section that a flag names', async () => {
    const both = `${serverToml('services = {}\n')}[client]\nremote_addr = "127.0.0.1:1"\nservices = {}\n`;
    const daemon = world.start(['--client', world.file('both.toml', both)]);
    expect(await daemon.waitForLog('warren ready')).toMatchObject({ role: 'client' });
  });

  it('obeys the log level and says what it did not understand of it', async () => {
    const file = world.file('s.toml', serverToml(''));
    const quiet = world.start([file], { RUST_LOG: 'error' });
    const puzzled = world.start([file], { RUST_LOG: 'rathole=debug' });
    const line = await puzzled.waitForLog('environment variable ignored');
    expect(line).toMatchObject({ variable: 'RUST_LOG', value: 'rathole=debug' });
    await puzzled.waitForLog('warren ready');
    quiet.kill('SIGTERM');
    puzzled.kill('SIGTERM');
    // A signal before it is ready is the system's; after, the end is polite. Both leave no line.
    expect((await quiet.ended).stdout).toBe('');
    expect((await puzzled.ended).code).toBe(0);
  });
});

describe('end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s drains and ends with 0', async (signal) => {
    const { server, client, port } = await startTunnel(['--drain-timeout', '10']);
    const visitor = await visit(port);
    server.kill(signal);
    await server.waitForLog('stopping, visitors may finish');
    visitor.write('still here');
    expect(String((await once(visitor, 'data'))[0])).toBe('still here');
    visitor.end();
    expect((await server.ended).code).toBe(0);
    expect(server.logLines.at(-1)).toMatchObject({ msg: 'warren stopped' });
    client.kill(signal);
    expect((await client.ended).code).toBe(0);
  });

  it('the drain timeout ends visitors that do not finish', async () => {
    const { server, port } = await startTunnel(['--drain-timeout', '0.2']);
    const visitor = await visit(port);
    // Not `once`: the abort is an error first.
    const closed = new Promise((resolve) => visitor.once('close', resolve));
    server.kill('SIGTERM');
    await closed;
    expect((await server.ended).code).toBe(0);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('a second %s ends at once with %i', async (signal, code) => {
    const { server, port } = await startTunnel(['--drain-timeout', '60']);
    await visit(port);
    server.kill(signal);
    await server.waitForLog('stopping, visitors may finish');
    server.kill(signal);
    expect((await server.ended).code).toBe(code);
  });
});

describe('reload', () => {
  it('applies a changed file, logs the plan, and keeps visitors', async () => {
    const { server, port } = await startTunnel();
    const visitor = await visit(port);
    const more = `${ECHO}[server.services.more]\nbind_addr = "127.0.0.1:0"\ntoken = "${TOKEN}2"\n`;
    await writeFile(join(world.folder, 'next'), serverToml(more));
    await rename(join(world.folder, 'next'), join(world.folder, 's.toml'));
    const plan = await server.waitForLog('applying the changed configuration');
    expect(plan['plan']).toEqual(['added: services.more']);
    visitor.write('survived');
    expect(String((await once(visitor, 'data'))[0])).toBe('survived');
    expect(server.stdout).not.toContain(TOKEN);
  });

  it('ignores a broken file with its errors, and takes the mended one on SIGHUP', async () => {
    const server = world.start([world.file('s.toml', serverToml(ECHO))]);
    await server.waitForLog('warren ready');
    world.file('s.toml', serverToml('[server.services.echo]\nbind_add = "127.0.0.1:0"\n'));
    server.kill('SIGHUP');
    await server.waitForLog('new configuration ignored, still running the old one');
    const errors = server.logLines.filter(({ msg }) => msg === 'configuration error');
    expect(errors.length).toBeGreaterThan(0);
    expect(JSON.stringify(errors)).toContain('bind_addr');
    world.file('s.toml', serverToml(`${ECHO}nodelay = false\n`));
    server.kill('SIGHUP');
    await server.waitForLog('configuration applied');
    expect(server.stdout).not.toContain(TOKEN);
    server.kill('SIGTERM');
    expect((await server.ended).code).toBe(0);
  });

  it('ignores a FIFO in the place of its file, and takes the file that comes back', async () => {
    const server = world.start([world.file('s.toml', serverToml(ECHO))]);
    await server.waitForLog('warren ready');
    execFileSync('mkfifo', [join(world.folder, 'fifo')]);
    await rename(join(world.folder, 'fifo'), join(world.folder, 's.toml'));
    await server.waitForLog('new configuration ignored, still running the old one');
    world.file('next', serverToml(`${ECHO}nodelay = false\n`));
    await rename(join(world.folder, 'next'), join(world.folder, 's.toml'));
    await server.waitForLog('configuration applied');
  });

  it('keeps running when its section goes, and follows it when it comes back', async () => {
    const server = world.start([world.file('s.toml', serverToml(ECHO))]);
    await server.waitForLog('warren ready');
    world.file('s.toml', '[client]\nremote_addr = "127.0.0.1:1"\nservices = {}\n');
    server.kill('SIGHUP');
    expect(
      await server.waitForLog('section is gone, still running what it said last'),
    ).toMatchObject({ level: 'error', section: 'server' });
    world.file('s.toml', serverToml(''));
    server.kill('SIGHUP');
    expect(await server.waitForLog('section is back')).toMatchObject({ section: 'server' });
    expect((await server.waitForLog('applying the changed configuration'))['plan']).toEqual([
      'removed: services.echo',
    ]);
  });
});

describe('access log', () => {
  it.each([
    ['the flag', ['--access-log'], {}],
    ['the environment', [], { WARREN_ACCESS_LOG: '1' }],
  ] as const)('is switched on by %s', async (_, args, env) => {
    const { server, port } = await startTunnel(args, env);
    const visitor = await visit(port);
    const address = `127.0.0.1:${visitor.localPort}`;
    visitor.end();
    const line = await server.waitForLog('visitor');
    expect(line).toMatchObject({
      service: 'echo',
      protocol: 'tcp',
      visitor: address,
      bytesIn: 5,
      bytesOut: 5,
      reason: 'visitor_fin',
    });
    expect(line['durationMs']).toBeGreaterThanOrEqual(0);
  });

  it('is off by default', async () => {
    const { server, port } = await startTunnel();
    const visitor = await visit(port);
    visitor.end();
    await once(visitor, 'close');
    server.kill('SIGTERM');
    await server.ended;
    expect(server.logLines.filter(({ msg }) => msg === 'visitor')).toEqual([]);
  });
});

it('goes on when nobody reads its log any more', async () => {
  const { server, port } = await startTunnel(['--access-log']);
  server.child.stdout?.destroy();
  // Each of them writes a line into the broken pipe.
  for (let i = 0; i < 3; i += 1) {
    const visitor = await visit(port);
    visitor.end();
    await once(visitor, 'close');
  }
  (await visit(port)).destroy();
  server.kill('SIGTERM');
  expect((await server.ended).code).toBe(0);
});
