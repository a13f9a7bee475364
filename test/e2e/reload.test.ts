/**
 * A running daemon whose configuration file changes, in every way in which files are changed, while a
 * visitor of another service streams on.
 */
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Daemon, logLine, logRecords, startWarren } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, echoes, UdpVisitor } from '../helpers/program-visitor.ts';

type Tables = Readonly<Record<string, Readonly<Record<string, string>>>>;

const TOKEN = 'reload-secret';
const PLAN = 'applying the changed configuration';
const DONE = 'configuration applied';
const resources = new Resources();
let folder = '';
let controlPort = 0;
let local = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warren-reload-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  controlPort = await freePort();
  local = (await startLocalTcp(resources)).port;
});
afterEach(() => resources.close());

function toml(role: 'server' | 'client', services: Tables, keys = ''): string {
  const address = role === 'server' ? 'bind_addr' : 'remote_addr';
  const tables = Object.entries(services).map(([name, table]) => {
    const lines = Object.entries(table).map(([key, value]) => `${key} = "${value}"`);
    return `[${role}.services.${name}]\n${lines.join('\n')}\n`;
  });
  const head = `[${role}]\n${address} = "127.0.0.1:${controlPort}"\ndefault_token = "${TOKEN}"\n`;
  return `${head}${keys}\n${tables.join('\n')}`;
}

const at = (port: number): string => `127.0.0.1:${port}`;

interface Running {
  readonly server: Daemon;
  readonly client: Daemon;
  readonly serverFile: string;
  readonly clientFile: string;
  readonly port: number;
  /** Stops the traffic; throws when it was ever held up or cut. */
  endTraffic(): Promise<void>;
  /** That, and the session of `stream` must never have ended. */
  stop(): Promise<void>;
}

/** A tunnel with a service `stream` that has traffic all the time. */
async function start(
  serverFile: string = join(folder, 'server.toml'),
  clientFile: string = join(folder, 'client.toml'),
  write: boolean = true,
): Promise<Running> {
  if (write) {
    writeFileSync(serverFile, toml('server', { stream: { bind_addr: at(0) } }));
    writeFileSync(clientFile, toml('client', { stream: { local_addr: at(local) } }));
  }
  const server = startWarren(resources, 'server', serverFile);
  const client = startWarren(resources, 'client', clientFile);
  const bound = await server.waitFor('stream', logLine('service bound', { service: 'stream' }));
  await Promise.all([server, client].map((it) => it.waitFor('ready', logLine('warren ready'))));
  const port = Number(String(bound['address']).split(':').at(-1));
  const visitor = await EchoVisitor.open(resources, port);
  let isRunning = true;
  let rounds = 0;
  const traffic = (async () => {
    for (; isRunning; rounds++) await visitor.ping();
  })();
  traffic.catch(() => undefined);
  const endTraffic = async (): Promise<void> => {
    const before = rounds;
    await until('more traffic', () => rounds > before || !isRunning);
    isRunning = false;
    await traffic;
    await visitor.finish();
  };
  const stop = async (): Promise<void> => {
    await endTraffic();
    const ends = logRecords(server, 'client disconnected');
    expect(ends.filter(({ service }) => service === 'stream')).toEqual([]);
  };
  return { server, client, serverFile, clientFile, port, endTraffic, stop };
}

/** Makes a change, and gives the plan that the log states. */
async function change(daemon: Daemon, act: () => void): Promise<unknown> {
  const mark = daemon.mark;
  act();
  const plan = await daemon.waitFor('the plan', logLine(PLAN), mark);
  await daemon.waitFor('the change', logLine(DONE), mark);
  return plan['plan'];
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const MORE: Tables = { stream: { bind_addr: at(0) }, more: { bind_addr: at(0) } };

describe('a file that is', () => {
  test('replaced by a rename is read', async () => {
    const { server, serverFile, stop } = await start();
    const plan = await change(server, () => replace(serverFile, toml('server', MORE)));
    expect(plan).toEqual(['added: services.more']);
    // The second rename is of another inode again.
    const back = toml('server', { stream: { bind_addr: at(0) } });
    expect(await change(server, () => replace(serverFile, back))).toEqual([
      'removed: services.more',
    ]);
    await stop();
  });

  test('emptied and written in pieces is read once it is whole, and never half', async () => {
    const { server, serverFile, stop } = await start();
    const text = toml('server', MORE);
    const half = text.indexOf('default_token') + 5;
    const plan = await change(server, () => {
      truncateSync(serverFile);
      writeFileSync(serverFile, text.slice(0, half));
      writeFileSync(serverFile, text.slice(half), { flag: 'a' });
    });
    expect(plan).toEqual(['added: services.more']);
    expect(logRecords(server, PLAN)).toHaveLength(1);
    expect(logRecords(server, 'configuration error')).toEqual([]);
    await stop();
  });

  test('swapped as Kubernetes swaps its symlinks is read', async () => {
    const version = (name: string, tables: Tables): void => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'server.toml'), toml('server', tables));
    };
    version('..1', { stream: { bind_addr: at(0) } });
    symlinkSync('..1', join(folder, '..data'));
    symlinkSync(join('..data', 'server.toml'), join(folder, 'server.toml'));
    const clientFile = join(folder, 'client.toml');
    writeFileSync(clientFile, toml('client', { stream: { local_addr: at(local) } }));
    const { server, stop } = await start(join(folder, 'server.toml'), clientFile, false);
    const swap = (name: string): void => {
      symlinkSync(name, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    const plan = await change(server, () => {
      version('..2', MORE);
      swap('..2');
      rmSync(join(folder, '..1'), { recursive: true });
    });
    expect(plan).toEqual(['added: services.more']);
    const back = await change(server, () => {
      version('..3', { stream: { bind_addr: at(0) } });
      swap('..3');
    });
    expect(back).toEqual(['removed: services.more']);
    await stop();
  });

  test('touched or saved unchanged changes nothing, SIGHUP or not', async () => {
    const { server, serverFile, stop } = await start();
    const text = toml('server', { stream: { bind_addr: at(0) } });
    writeFileSync(serverFile, `${text}\n# a comment\n`);
    await server.waitFor('the reload', logLine('configuration reloaded, nothing changed'));
    server.signal('SIGHUP');
    await server.waitFor('SIGHUP', logLine('SIGHUP: reading the configuration'));
    // What comes next is applied: nothing of the above is still on its way.
    await change(server, () => replace(serverFile, toml('server', MORE)));
    expect(logRecords(server, PLAN)).toHaveLength(1);
    await stop();
  });

  test('read at SIGHUP', async () => {
    const { server, serverFile, stop } = await start();
    const plan = await change(server, () => {
      writeFileSync(serverFile, toml('server', MORE));
      server.signal('SIGHUP');
    });
    expect(plan).toEqual(['added: services.more']);
    await server.waitFor('SIGHUP', logLine('SIGHUP: reading the configuration'));
    await stop();
  });

  test('invalid is told with its errors and ignored, the mended one is taken', async () => {
    const { server, serverFile, port, stop } = await start();
    const wrong = toml('server', { stream: { bind_adr: at(0) }, more: { bind_addr: 'nowhere' } });
    replace(serverFile, wrong);
    await server.waitFor(
      'the verdict',
      logLine('new configuration ignored, still running the old one'),
    );
    const errors = logRecords(server, 'configuration error');
    expect(errors.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['server.services.stream.bind_adr', 'server.services.more.bind_addr']),
    );
    const line = wrong.split('\n').findIndex((text) => text.startsWith('bind_adr')) + 1;
    const places = errors.map((error) => String(error['at']));
    expect(places).toContainEqual(expect.stringMatching(new RegExp(`server\\.toml:${line}:1$`)));
    expect(await echoes(port)).toBe(true);
    expect(await change(server, () => replace(serverFile, toml('server', MORE)))).toEqual([
      'added: services.more',
    ]);
    expect(server.lines.join('\n')).not.toContain(TOKEN);
    await stop();
  });
});

describe('a service, while another one streams,', () => {
  test('is added, changed and removed on the server', async () => {
    const { server, client, serverFile, clientFile, stop } = await start();
    const ports = [await freePort(), await freePort()] as const;
    const tables = (port: number): Tables => ({
      stream: { bind_addr: at(0) },
      more: { bind_addr: at(port) },
    });
    expect(
      await change(server, () => replace(serverFile, toml('server', tables(ports[0])))),
    ).toEqual(['added: services.more']);
    await change(client, () =>
      replace(
        clientFile,
        toml('client', { stream: { local_addr: at(local) }, more: { local_addr: at(local) } }),
      ),
    );
    await until('the new service', () => echoes(ports[0]));
    const stays = await EchoVisitor.open(resources, ports[0]);
    expect(
      await change(server, () => replace(serverFile, toml('server', tables(ports[1])))),
    ).toEqual([`changed: services.more.bind_addr "${at(ports[0])}" -> "${at(ports[1])}"`]);
    await until('the new address', () => echoes(ports[1]));
    await until('the old address to close', async () => !(await echoes(ports[0])));
    await stays.ping();
    const without = toml('server', { stream: { bind_addr: at(0) } });
    expect(await change(server, () => replace(serverFile, without))).toEqual([
      'removed: services.more',
    ]);
    await until('the address to close', async () => !(await echoes(ports[1])));
    await stays.ping();
    await stays.finish();
    await stop();
  });

  test('is added, changed and removed on the client', async () => {
    const port = await freePort();
    const serverFile = join(folder, 'server.toml');
    const clientFile = join(folder, 'client.toml');
    writeFileSync(
      serverFile,
      toml('server', { stream: { bind_addr: at(0) }, more: { bind_addr: at(port) } }),
    );
    writeFileSync(clientFile, toml('client', { stream: { local_addr: at(local) } }));
    const { client, stop } = await start(serverFile, clientFile, false);
    const other = await startLocalTcp(resources);
    const set = (tables: Tables): Promise<unknown> =>
      change(client, () => replace(clientFile, toml('client', tables)));
    const stream = { local_addr: at(local) };
    expect(await set({ stream, more: { local_addr: at(local) } })).toEqual([
      'added: services.more',
    ]);
    await until('the new service', () => echoes(port));
    const stays = await EchoVisitor.open(resources, port);
    expect(await set({ stream, more: { local_addr: at(other.port) } })).toEqual([
      `changed: services.more.local_addr "${at(local)}" -> "${at(other.port)}"`,
    ]);
    await EchoVisitor.open(resources, port);
    expect(other.sockets.size).toBe(1);
    await stays.ping();
    expect(await set({ stream })).toEqual(['removed: services.more']);
    await until('its address to close', async () => !(await echoes(port)));
    await stays.ping();
    await stop();
  });

  test('becomes a udp service on both ends', async () => {
    const port = await freePort();
    const udp = await startLocalUdp(resources);
    const serverFile = join(folder, 'server.toml');
    const clientFile = join(folder, 'client.toml');
    const server = (type: string): string =>
      toml('server', { stream: { bind_addr: at(0) }, more: { bind_addr: at(port), type } });
    const client = (type: string, to: number): string =>
      toml('client', { stream: { local_addr: at(local) }, more: { local_addr: at(to), type } });
    writeFileSync(serverFile, server('tcp'));
    writeFileSync(clientFile, client('tcp', local));
    const running = await start(serverFile, clientFile, false);
    await until('the tcp service', () => echoes(port));
    expect(await change(running.server, () => replace(serverFile, server('udp')))).toEqual([
      'changed: services.more.type "tcp" -> "udp"',
    ]);
    await change(running.client, () => replace(clientFile, client('udp', udp.port)));
    await (await UdpVisitor.open(resources, port)).warmUp();
    await running.stop();
  });
});

describe('a general change', () => {
  test("of the server's address moves its listener, running visitors stay", async () => {
    const { server, client, serverFile, clientFile, endTraffic } = await start();
    const before = controlPort;
    controlPort = await freePort();
    const services = { stream: { bind_addr: at(0) } };
    expect(await change(server, () => replace(serverFile, toml('server', services)))).toEqual([
      `changed: bind_addr "${at(before)}" -> "${at(controlPort)}"`,
    ]);
    const [clientMark, serverMark] = [client.mark, server.mark];
    await change(client, () =>
      replace(clientFile, toml('client', { stream: { local_addr: at(local) } })),
    );
    await client.waitFor('the new address', logLine('service connected'), clientMark);
    const bound = await server.waitFor('stream', logLine('service bound'), serverMark);
    const port = Number(String(bound['address']).split(':').at(-1));
    await until('a visitor at the new one', () => echoes(port));
    await endTraffic();
  });

  test('of the heartbeat is applied in place', async () => {
    const { server, serverFile, stop } = await start();
    const text = toml('server', { stream: { bind_addr: at(0) } }, 'heartbeat_interval = 7\n');
    expect(await change(server, () => replace(serverFile, text))).toEqual([
      'changed: heartbeat_interval 30 -> 7',
    ]);
    await stop();
  });
});
