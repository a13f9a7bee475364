/**
 * The Kubernetes manifests: their configuration runs, their parts fit each other, and what kubelet does
 * when a ConfigMap or Secret changes is taken up.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../ts/config/load.ts';
import { certificate, certificateFile, keyFile, rootFile } from '../helpers/certificates.ts';
import { CLI, Daemon, logLine } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { temporaryFolder } from '../helpers/programs.ts';
import { type Deployment, manifest, manifests, podOf } from './manifests.ts';
import { ProjectedVolume, type VolumeFiles } from './projected-volume.ts';

const ROLES = ['server', 'client'] as const;
type Role = (typeof ROLES)[number];
/** What Kubernetes calls the port of the tunnel itself; the others are called as their services. */
const TUNNEL = 'tunnel';

const resources = new Resources();
afterEach(() => resources.close());

/** What is in the Secrets. */
function secrets(leaf: 'ecdsa' | 'rsa' = 'ecdsa'): Record<string, Buffer> {
  return {
    token: Buffer.from('the token\n'),
    'tls.crt': readFileSync(certificateFile(leaf)),
    'tls.key': readFileSync(keyFile(leaf)),
    'ca.crt': readFileSync(rootFile()),
  };
}

/** The files of a role's volume: what its sources name, and nothing else. */
function filesOf(role: Role, leaf?: 'ecdsa' | 'rsa'): VolumeFiles {
  const [{ projected }] = podOf(manifest('Deployment', `warren-${role}`)).volumes;
  const all = secrets(leaf);
  const files: Record<string, string | Buffer> = {};
  for (const { configMap, secret } of projected.sources) {
    if (configMap !== undefined) Object.assign(files, manifest('ConfigMap', configMap.name).data);
    for (const { key, path } of secret?.items ?? []) {
      const content = all[key];
      if (content === undefined) throw new Error(`no key ${key} in the Secret ${secret?.name}`);
      files[path] = content;
    }
  }
  return files;
}

function volume(role: Role): ProjectedVolume {
  return new ProjectedVolume(temporaryFolder(resources), filesOf(role));
}

/** The arguments of a role's container, with the volume where it is here. */
function argsOf(deployment: Deployment, folder: string): string[] {
  const [{ args, volumeMounts }] = podOf(deployment).containers;
  return args.map((arg) => arg.replace(volumeMounts[0]?.mountPath ?? '', folder));
}

/** What the server's file says that it binds, as Kubernetes names it. */
function boundPorts(): Record<string, string> {
  const { config } = loadConfig(join(volume('server').folder, 'server.toml'));
  const { bindAddr, services } = config.server ?? {};
  const rows = [...(services?.values() ?? [])].map(
    ({ name, type, bindAddr: { port } }) => [name, `${port}/${type.toUpperCase()}`] as const,
  );
  return Object.fromEntries([[TUNNEL, `${bindAddr?.port}/TCP`], ...rows]);
}

describe.each(ROLES)('the %s', (role) => {
  test('has a configuration that warren takes without a warning', () => {
    const { warnings, config } = loadConfig(join(volume(role).folder, `${role}.toml`));
    expect(warnings).toEqual([]);
    expect(Object.keys(config)).toContain(role);
  });

  test('is run with arguments that fit its volume, and passes `warren check`', async () => {
    const { folder } = volume(role);
    const args = argsOf(manifest('Deployment', `warren-${role}`), folder);
    expect(args.slice(0, 1)).toEqual([`--${role}`]);
    const file = args.at(-1) ?? '';
    const command = [process.execPath, CLI, 'check', `--${role}`, file] as const;
    const check = Daemon.start(resources, 'check', command);
    expect({ ending: await check.ended, said: check.tail() }).toMatchObject({
      ending: { code: 0 },
      said: expect.stringContaining('token = "****"'),
    });
  });

  test('may drain longer than it drains before it is killed', () => {
    const { terminationGracePeriodSeconds, containers } = podOf(
      manifest('Deployment', `warren-${role}`),
    );
    const drain = containers[0].args.find((arg) => arg.startsWith('--drain-timeout='));
    expect(terminationGracePeriodSeconds).toBeGreaterThan(Number(drain?.split('=')[1] ?? 10));
  });

  test('has its configuration as a folder, alone, in the namespace of the rest', () => {
    const deployment = manifest('Deployment', `warren-${role}`);
    const { volumeMounts } = podOf(deployment).containers[0];
    expect(volumeMounts).toEqual([{ name: 'config', mountPath: '/etc/warren', readOnly: true }]);
    expect(deployment.spec.replicas).toBe(1);
    const { matchLabels } = deployment.spec.selector;
    expect(deployment.spec.template.metadata.labels).toEqual(matchLabels);
    const { spec } = manifest('NetworkPolicy', `warren-${role}`);
    expect(spec.podSelector.matchLabels).toEqual(matchLabels);
    for (const { kind, metadata } of manifests()) {
      expect(kind === 'Namespace' ? metadata.name : metadata.namespace).toBe('warren');
    }
  });
});

test('the ports of server, pod, Service and network policy are the same', () => {
  const bound = boundPorts();
  const { ports, startupProbe } = podOf(manifest('Deployment', 'warren-server')).containers[0];
  expect(
    Object.fromEntries(
      (ports ?? []).map(({ name, containerPort, protocol }) => [
        name,
        `${containerPort}/${protocol}`,
      ]),
    ),
  ).toEqual(bound);
  const named = (name: unknown, protocol: string): string =>
    `${name} ${bound[String(name)]?.endsWith(`/${protocol}`) ? 'fits' : 'does not fit'}`;
  const expected = Object.keys(bound).map((name) => `${name} fits`);
  const service = manifest('Service', 'warren-server').spec;
  expect(service.ports.map((it) => named(it.targetPort, it.protocol))).toEqual(expected);
  const [ingress] = manifest('NetworkPolicy', 'warren-server').spec.ingress;
  expect(ingress?.ports.map((it) => named(it.port, it.protocol))).toEqual(expected);
  expect(startupProbe?.tcpSocket.port).toBe(TUNNEL);
  const { matchLabels } = manifest('Deployment', 'warren-server').spec.selector;
  expect(service.selector).toEqual(matchLabels);
});

test('the client may reach what it dials', () => {
  const { config } = loadConfig(join(volume('client').folder, 'client.toml'));
  const egress = manifest('NetworkPolicy', 'warren-client').spec.egress;
  const allowed = egress.flatMap(({ ports }) => ports.map((it) => `${it.port}/${it.protocol}`));
  expect(allowed).toContain(`${config.client?.remoteAddr.port}/TCP`);
  // Names are looked up over both.
  expect(allowed).toEqual(expect.arrayContaining(['53/UDP', '53/TCP']));
});

test('a ConfigMap and a Secret that change are taken up together, without a restart', async () => {
  const port = await freePort();
  const files = (services: string, leaf: 'ecdsa' | 'rsa'): VolumeFiles => {
    const all = filesOf('server', leaf);
    const toml = String(all['server.toml']).replace('0.0.0.0:2333', `127.0.0.1:${port}`);
    return {
      ...all,
      'server.toml': `${toml.replaceAll(/0\.0\.0\.0:\d+/g, '127.0.0.1:0')}${services}`,
    };
  };
  const folder = join(temporaryFolder(resources), 'etc');
  mkdirSync(folder);
  const config = new ProjectedVolume(folder, files('', 'ecdsa'));
  const args = argsOf(manifest('Deployment', 'warren-server'), folder);
  const env = { ...process.env, WARREN_LOG_FORMAT: 'json' };
  const command = [process.execPath, CLI, ...args] as const;
  const server = Daemon.start(resources, 'server', command, { env });
  await server.waitFor('ready', logLine('warren ready'));
  expect(await shown(port)).toBe(certificate('ecdsa').fingerprint256);

  config.write(files('[server.services.more]\nbind_addr = "127.0.0.1:0"\n', 'rsa'));
  const { plan } = await server.waitFor('the plan', logLine('applying the changed configuration'));
  expect(plan).toContain('added: services.more');
  await server.waitFor('the change', logLine('configuration applied'));
  await until('the new certificate', async () => {
    return (await shown(port)) === certificate('rsa').fingerprint256;
  });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

/** The fingerprint of the certificate that is shown at a port. */
function shown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
