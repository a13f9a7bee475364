/**
 * The example units under a real systemd: everything that warren does works in their sandbox, on every
 * engine, and they reload, drain and start again as their README says.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { type Daemon, logLine } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, readBlob, UdpVisitor, upload } from '../helpers/program-visitor.ts';
import { enginesHere } from './engines.ts';
import { lowPort, occupy } from './ports.ts';
import { SystemdHost } from './systemd-host.ts';
import { bind, clientFile, serverFile, to, UDP } from './tunnel-files.ts';

const LOW_PORTS = fileURLToPath(new URL('../../examples/systemd/low-ports.conf', import.meta.url));
const STOPPING = 'stopping, visitors may finish';
const LARGE = 8 << 20;
const ENGINES = enginesHere();
const CASES = ENGINES.flatMap((engine) =>
  (['tcp', 'noise'] as const).map((transport) => ({
    name: `${engine}-${transport}`,
    engine,
    transport,
  })),
);

const shared = new Resources();
const resources = new Resources();
let host: SystemdHost | undefined;
let low = 0;
let local = { tcp: 0, udp: 0 };
const ports = new Map<string, number>();

/** The first line of this message in a unit's log from `mark` on. */
function logged(journal: Daemon, msg: string, fields: Record<string, unknown> = {}, mark = 0) {
  return journal.waitFor(msg, logLine(msg, fields), mark);
}

beforeAll(async () => {
  local = { tcp: (await startLocalTcp(shared)).port, udp: (await startLocalUdp(shared)).port };
  low = await lowPort();
  const configs: Record<string, string> = { 'broken.toml': '[server]\nbind_adr = "127.0.0.1:0"\n' };
  const dropIns: Record<string, string> = {};
  for (const { name, engine, transport } of CASES) {
    const port = await freePort();
    ports.set(name, port);
    const here = { stream: to(local.tcp), datagrams: UDP + to(local.udp) };
    const there = { stream: bind(0), datagrams: UDP + bind(0) };
    configs[`${name}-server.toml`] = serverFile(port, there, transport);
    configs[`${name}-client.toml`] = clientFile(port, here, transport);
    for (const role of ['server', 'client']) {
      dropIns[`warren-${role}@${name}-${role}.service`] =
        `[Service]\nEnvironment=WARREN_ENGINE=${engine}\n`;
    }
  }
  const high = await freePort();
  for (const name of ['server', 'low'])
    configs[`${name}.toml`] = serverFile(high, { web: bind(low) });
  configs['low-client.toml'] = clientFile(high, { web: to(local.tcp) });
  const secret = 'credential.token';
  const home = '/run/credentials/warren-server@credential.service';
  configs[secret] = 'sandboxed\n';
  configs['credential.toml'] = serverFile(high, {
    web: `${bind(0)}\ntoken_file = "${home}/token"`,
  });
  configs['credential-client.toml'] = clientFile(high, { web: to(local.tcp) });
  dropIns['warren-server@credential.service'] =
    `[Service]\nLoadCredential=token:/etc/warren/${secret}\nInaccessiblePaths=/etc/warren/${secret}\n`;
  dropIns['warren-server.service'] = readFileSync(LOW_PORTS, 'utf8');
  const started = await SystemdHost.start(shared, { configs, dropIns });
  if (started instanceof SystemdHost) host = started;
  else process.stderr.write(`skipped: no systemd can run here: ${started.cannot}\n`);
});
afterAll(() => shared.close());
afterEach(() => resources.close());

/** A test that needs the host. */
function hosted(name: string, body: (on: SystemdHost) => Promise<void>): void {
  test(name, async ({ skip }) => {
    if (host === undefined) skip('no systemd can run here');
    else await body(host);
  });
}

/** `systemctl start`, and the unit's log once it says that it is ready. */
async function startUnit(on: SystemdHost, unit: string): Promise<Daemon> {
  const journal = await on.journal(resources, unit);
  resources.defer(() => on.systemctl('stop', unit));
  await on.systemctl('start', unit);
  await logged(journal, 'warren ready');
  return journal;
}

const portOf = (record: Readonly<Record<string, unknown>>): number =>
  Number(String(record['address']).split(':').at(-1));

const endedWell = (line: string): boolean => line.endsWith(': Deactivated successfully.');

/** The hard limit. */
function openFiles(limits: string): number {
  return Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1]);
}

describe.each(CASES)(
  'sandboxed, engine $engine over $transport:',
  ({ name, engine, transport }) => {
    const units = {
      server: `warren-server@${name}-server`,
      client: `warren-client@${name}-client`,
    };

    hosted('a tunnel carries streams and datagrams, reloads and drains', async (on) => {
      const log = await startUnit(on, units.server);
      const clientLog = await startUnit(on, units.client);
      for (const each of [log, clientLog]) await logged(each, 'engine selected', { engine });
      const stream = portOf(await logged(log, 'service bound', { service: 'stream' }));
      const datagrams = portOf(await logged(log, 'service bound', { service: 'datagrams' }));

      expect(await upload(stream, LARGE)).toBe(blobDigest(LARGE));
      expect(await readBlob(stream, LARGE)).toBe(blobDigest(LARGE));
      const udp = await UdpVisitor.open(resources, datagrams);
      await udp.warmUp();
      expect((await udp.ask('a datagram')).toString()).toBe('a datagram');

      const mark = log.mark;
      // Without the datagrams: their visitor would have the drain last as long as it may.
      const services = { stream: bind(0), more: bind(0) };
      writeFileSync(
        on.path(`etc/warren/${name}-server.toml`),
        serverFile(ports.get(name) ?? 0, services, transport),
      );
      await on.systemctl('reload', units.server);
      await logged(log, 'configuration applied', {}, mark);

      const visitor = await EchoVisitor.open(resources, stream);
      const stopped = Promise.all(
        [units.server, units.client].map((unit) => on.systemctl('stop', unit)),
      );
      await Promise.all([log, clientLog].map((each) => logged(each, STOPPING)));
      await visitor.ping();
      await visitor.finish();
      await stopped;
      for (const each of [log, clientLog]) await each.waitFor('a good end', endedWell);
    });
  },
);

describe('a unit', () => {
  const name = CASES[0]?.name ?? '';
  const unit = `warren-server@${name}-server`;

  hosted('runs without any right, as a user of its own', async (on) => {
    await startUnit(on, unit);
    const { MainPID } = await on.show(unit);
    const status = await on.run('cat', `/proc/${MainPID}/status`);
    const fields = Object.fromEntries(
      status.split('\n').map((line) => line.split(':\t', 2) as [string, string]),
    );
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) {
      expect(`${set} ${fields[set]}`).toBe(`${set} 0000000000000000`);
    }
    expect(fields['NoNewPrivs']).toBe('1');
    expect(fields['Seccomp']).toBe('2');
    expect(Number(fields['Uid']?.split('\t')[0])).toBeGreaterThanOrEqual(61_184);
    expect(await on.run('cat', `/proc/${MainPID}/uid_map`)).not.toContain('4294967295');
    // A systemd without CAP_SYS_RESOURCE, as in many containers, gives what it has itself.
    const most = openFiles(readFileSync('/proc/self/limits', 'utf8'));
    const limits = await on.run('cat', `/proc/${MainPID}/limits`);
    expect(openFiles(limits)).toBe(Math.min(1_048_576, most));
  });

  hosted('starts again after a crash', async (on) => {
    const log = await startUnit(on, unit);
    const { MainPID } = await on.show(unit);
    const mark = log.mark;
    await on.systemctl('kill', '--signal=SIGKILL', unit);
    await logged(log, 'warren ready', {}, mark);
    const again = await on.show(unit);
    expect(again['NRestarts']).toBe('1');
    expect(again['MainPID']).not.toBe(MainPID);
  });

  hosted('is tried again until its address is free', async (on) => {
    const free = await occupy(resources, ports.get(name) ?? 0);
    const log = await on.journal(resources, unit);
    resources.defer(() => on.systemctl('stop', unit));
    await on.systemctl('start', unit);
    await until('a second attempt', async () => Number((await on.show(unit))['NRestarts']) > 0);
    await log.waitFor('the exit code', (line) => line.includes('code=exited, status=3'));
    await free();
    await logged(log, 'warren ready');
  });

  hosted('is not tried again with a configuration that cannot be used', async (on) => {
    await on.systemctl('start', 'warren-server@broken');
    await until(
      'its end',
      async () => (await on.show('warren-server@broken'))['ActiveState'] === 'failed',
    );
    const { NRestarts, ExecMainStatus } = await on.show('warren-server@broken');
    expect({ NRestarts, ExecMainStatus }).toEqual({ NRestarts: '0', ExecMainStatus: '1' });
  });

  hosted('has ended well when a second signal ends it at once', async (on) => {
    const log = await startUnit(on, unit);
    const peer = await startUnit(on, `warren-client@${name}-client`);
    await logged(peer, 'engine selected');
    const stream = portOf(await logged(log, 'service bound', { service: 'stream' }));
    await EchoVisitor.open(resources, stream);
    await on.systemctl('kill', unit);
    await logged(log, STOPPING);
    await on.systemctl('kill', unit);
    await logged(log, 'second signal: ending at once');
    // Told of as a failure if 143 were not known to be none.
    await log.waitFor('a good end', endedWell);
    await until('rest', async () => (await on.show(unit))['ActiveState'] === 'inactive');
  });

  hosted('has a token that root alone can read, as a credential', async (on) => {
    const log = await startUnit(on, 'warren-server@credential');
    await startUnit(on, 'warren-client@credential-client');
    await logged(log, 'service bound', { service: 'web' });
  });

  hosted('without the drop-in has no port below 1024, and says so', async (on) => {
    const log = await startUnit(on, 'warren-server@low');
    await startUnit(on, 'warren-client@low-client');
    await log.waitFor('a refusal', logLine('service cannot bind, will retry'));
  });

  hosted('with the drop-in has it', async (on) => {
    const log = await startUnit(on, 'warren-server');
    await startUnit(on, 'warren-client@low-client');
    expect(portOf(await logged(log, 'service bound', { service: 'web' }))).toBe(low);
    expect(await upload(low, 1000)).toBe(blobDigest(1000));
  });
});
