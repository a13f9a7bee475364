/**
 * The Dockerfile: its steps, run by hand, make an image that holds a tunnel as PID 1, as nobody, in a root
 * that cannot be written to, and that stops as an engine stops it.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { logLine } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { EchoVisitor, readBlob, UdpVisitor, upload } from '../helpers/program-visitor.ts';
import { temporaryFolder } from '../helpers/programs.ts';
import { RUST } from '../helpers/rust-binding.ts';
import { parseDockerfile } from './dockerfile.ts';
import { buildImage, Container, writeContext } from './image.ts';
import { bind, clientFile, serverFile, to, UDP } from './tunnel-files.ts';

const DOCKER = fileURLToPath(new URL('../../examples/docker/', import.meta.url));
const read = (name: string): string => readFileSync(join(DOCKER, name), 'utf8');
const file = parseDockerfile(read('Dockerfile'));
const last = file.stages.at(-1);
if (last === undefined) throw new Error('a Dockerfile without a stage');
const ALLOWED = read('Dockerfile.dockerignore')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));
const LARGE = 8 << 20;

const shared = new Resources();
const resources = new Resources();
afterEach(() => resources.close());
afterAll(() => shared.close());

describe('the Dockerfile', () => {
  test('has base images with a version, or without anything but libraries', () => {
    for (const [name, image] of file.images) {
      expect(`${name} ${image}`).toMatch(/:(\d+\.\d+\.\d+-|nonroot$)/);
    }
    // One Debian, or what is linked in one does not run on the other.
    for (const image of file.images.values()) expect(image).toMatch(/bookworm|debian12/);
  });

  test('has in its context what it copies, and all that is there is copied', () => {
    const copied = file.stages.flatMap(({ steps }) =>
      steps.flatMap((step) =>
        step.type === 'copy' && step.from === undefined ? step.sources : [],
      ),
    );
    expect(copied.toSorted()).toEqual(ALLOWED.toSorted());
  });

  test('is run by a number that is not root, by signals that warren knows, without a shell', () => {
    expect(last.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(last.stopSignal).toBe('SIGTERM');
    expect(last.entrypoint).toEqual(['/usr/local/bin/node', '/app/dist/cli.js']);
  });
});

/** The service `warren` of a role's compose file. */
function composed(role: string): Readonly<Record<string, unknown>> {
  const { services } = load(read(`${role}/compose.yaml`)) as {
    readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  return services['warren'] ?? {};
}

describe.each(['server', 'client'])('compose, the %s', (role) => {
  const warren = composed(role);

  test('runs its role with the folder of its configuration', () => {
    expect(warren['command']).toEqual([`--${role}`, `/etc/warren/${role}.toml`]);
    expect(warren['volumes']).toEqual(['./config:/etc/warren:ro']);
    expect(existsSync(join(DOCKER, role, 'config', `${role}.toml`))).toBe(true);
  });

  test('has no right, and longer to stop than the drain takes', () => {
    expect(warren).toMatchObject({
      user: last.user,
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(Number.parseInt(String(warren['stop_grace_period']), 10)).toBeGreaterThan(10);
  });
});

test('compose, the server, publishes what it binds', () => {
  const toml = read('server/config/server.toml');
  const bound = [...toml.matchAll(/bind_addr = ".*:(\d+)"/g)].map(([, port]) => port);
  const published = (composed('server')['ports'] as string[]).map((port) => {
    return port.replace(/^.*:|\/udp$/g, '');
  });
  expect(published).toEqual(bound);
});

const missing =
  process.getuid?.() !== 0 ? 'not root' : RUST === undefined ? 'no rust engine' : undefined;
if (missing !== undefined) process.stderr.write(`skipped: no image is built (${missing})\n`);

describe.skipIf(missing !== undefined)('the image', () => {
  let image = { folder: '', stage: last };

  beforeAll(() => {
    const space = temporaryFolder(shared);
    const [context, folder] = [join(space, 'context'), join(space, 'image')];
    mkdirSync(context);
    mkdirSync(folder);
    writeContext(context, ALLOWED);
    buildImage(file, context, folder);
    image = { folder, stage: last };
  }, 1_200_000);

  function config(files: Readonly<Record<string, string>>): string {
    const folder = temporaryFolder(resources);
    // For a user who owns nothing here.
    chmodSync(folder, 0o755);
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), text, { mode: 0o644 });
    }
    return folder;
  }

  test('has what is needed to run, and neither a shell nor what was needed to build', () => {
    const has = (name: string): boolean => existsSync(join(image.folder, name));
    expect(readdirSync(join(image.folder, 'app')).toSorted()).toEqual([
      'LICENSE',
      'dist',
      'native',
      'node_modules',
      'package.json',
    ]);
    expect(['bin/sh', 'usr/bin/env', 'app/node_modules/typescript'].filter(has)).toEqual([]);
    expect(statSync(join(image.folder, 'app/native/warren.node')).uid).toBe(0);
  });

  test('says that it has the rust engine', async () => {
    const args = ['--version', '--verbose'];
    const { daemon } = new Container(resources, 'version', image, config({}), args);
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(daemon.tail()).toMatch(/^engine +rust$/m);
  });

  test('prints its help where nothing else is asked for', async () => {
    const { daemon } = new Container(resources, 'help', image, config({}));
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(daemon.tail()).toContain('--drain-timeout');
  });

  test('holds a tunnel, drains and ends with 0', async () => {
    const port = await freePort();
    const tcp = (await startLocalTcp(resources)).port;
    const udp = (await startLocalUdp(resources)).port;
    const etc = config({
      'server.toml': serverFile(port, { stream: bind(0), datagrams: UDP + bind(0) }, 'noise'),
      'client.toml': clientFile(port, { stream: to(tcp), datagrams: UDP + to(udp) }, 'noise'),
    });
    const start = (role: string): Container =>
      new Container(resources, role, image, etc, [`--${role}`, `/etc/warren/${role}.toml`]);
    const [server, client] = [start('server'), start('client')];
    const said = await server.daemon.waitFor('its start', logLine('warren starts'));
    expect(said['pid']).toBe(1);
    await server.daemon.waitFor('rust', logLine('engine selected', { engine: 'rust' }));
    const portOf = async (service: string): Promise<number> => {
      const record = await server.daemon.waitFor(service, logLine('service bound', { service }));
      return Number(String(record['address']).split(':').at(-1));
    };
    const [stream, datagrams] = [await portOf('stream'), await portOf('datagrams')];
    expect(await upload(stream, LARGE)).toBe(blobDigest(LARGE));
    expect(await readBlob(stream, LARGE)).toBe(blobDigest(LARGE));
    const asking = await UdpVisitor.open(resources, datagrams);
    await asking.warmUp();

    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^Groups:\t ?$/m);
    expect(readFileSync(`/proc/${server.pid}/mounts`, 'utf8')).toMatch(/^\S+ \/ \S+ ro,/m);

    const visitor = await EchoVisitor.open(resources, stream);
    for (const { pid } of [client, server]) process.kill(pid, 'SIGTERM');
    await server.daemon.waitFor('the stop', logLine('stopping, visitors may finish'));
    await visitor.ping();
    await visitor.finish();
    for (const { daemon } of [client, server]) {
      expect(await daemon.ended).toEqual({ code: 0, signal: null });
    }
  });
});
