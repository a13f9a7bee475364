import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nearSite } from '../../../bench/load/machine/site.ts';
import { CERTIFICATE_NAME } from '../../../bench/load/peers/certificate.ts';
import { frpConfigs } from '../../../bench/load/peers/configs.ts';
import { findFrp } from '../../../bench/load/peers/frp.ts';
import { findHaproxy } from '../../../bench/load/peers/haproxy.ts';
import { findNginx, nginxConfig } from '../../../bench/load/peers/nginx.ts';
import type { Peer, Ports } from '../../../bench/load/peers/peer.ts';
import { findPeers } from '../../../bench/load/peers/peers.ts';
import { plainHops } from '../../../bench/load/peers/plain-hops.ts';
import { findRathole } from '../../../bench/load/peers/rathole.ts';
import { TCP, type Transport } from '../../../bench/load/peers/transport.ts';
import { startTunnel } from '../../../bench/load/peers/tunnel.ts';

const PORTS: Ports = {
  host: '127.0.0.1',
  control: 1,
  services: [
    { name: 'tcp', type: 'tcp', port: 2, local: 4 },
    { name: 'udp', type: 'udp', port: 3, local: 4 },
    { name: 'iperf3', type: 'tcp', port: 6, local: 7 },
  ],
};
const TLS: Transport = {
  ...TCP,
  name: 'tls',
  type: 'tls',
  pem: { root: '/r.pem', cert: '/c.pem', key: '/c.key' },
};

/** Makes a program of the name that prints `stderr` and ends with `code`. */
function program(name: string, stderr: string, code: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'warren-bench-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, name);
  writeFileSync(file, `#!/bin/sh\necho '${stderr}' >&2\nexit ${code}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Sets the variable for the test. */
function setEnv(variable: string, value: string): void {
  const { [variable]: before } = process.env;
  process.env[variable] = value;
  onTestFinished(() => {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  });
}

function found(peer: Peer | string): Peer {
  if (typeof peer === 'string') throw new Error(peer);
  return peer;
}

describe('frp as a peer', () => {
  it('has no TLS over plain TCP, with multiplexing and without', () => {
    for (const tcpMux of [true, false]) {
      const { server, client } = frpConfigs(PORTS, TCP, tcpMux);
      expect(parse(server)).toMatchObject({ transport: { tcpMux } });
      expect(parse(server)).not.toHaveProperty('transport.tls');
      expect(parse(client)).toMatchObject({ transport: { tcpMux, tls: { enable: false } } });
    }
  });

  it('verifies over TLS a server that refuses everything else', () => {
    const { server, client } = frpConfigs(PORTS, TLS, false);
    const identity = { force: true, certFile: '/c.pem', keyFile: '/c.key' };
    expect(parse(server)).toMatchObject({ transport: { tls: identity } });
    // Or frps would want a certificate of the client, too.
    expect(parse(server)).not.toHaveProperty('transport.tls.trustedCaFile');
    const trust = { enable: true, trustedCaFile: '/r.pem', serverName: CERTIFICATE_NAME };
    expect(parse(client)).toMatchObject({ transport: { tls: trust } });
  });

  it('has rows of its own only where it is multiplexed', () => {
    const file = program('frp', '0.70.1', 0);
    setEnv('WARREN_FRPS', file);
    setEnv('WARREN_FRPC', file);
    expect(found(findFrp('frp', false))).toMatchObject({ version: '0.70.1' });
    expect(found(findFrp('frp', false)).rows).toBeUndefined();
    expect(found(findFrp('frp (mux)', true)).rows).toEqual(
      expect.arrayContaining(['bulk', 'requests', 'http', 'visitors', 'udp', 'tls']),
    );
  });
});

describe('a peer that is not there', () => {
  it('says what its variable names when that is no program', () => {
    setEnv('WARREN_RATHOLE', tmpdir());
    setEnv('WARREN_FRPS', program('frps', '', 0));
    setEnv('WARREN_FRPC', '/nowhere/frpc');
    expect(findRathole()).toBe(
      `WARREN_RATHOLE is ${tmpdir()}, which is no program that can be run; set WARREN_RATHOLE to the rathole binary or put it on PATH`,
    );
    const reason = findFrp('frp', false);
    expect(reason).toContain('WARREN_FRPC is /nowhere/frpc, which is no program that can be run');
    expect(reason).not.toContain('WARREN_FRPS is');
  });

  it('says why its program did not start', async () => {
    const file = program('rathole', '', 0);
    writeFileSync(file, '#!/nowhere/interpreter\n');
    const peer: Peer = {
      name: 'rathole',
      version: '',
      isWarren: false,
      tunnel: {
        configs: () => ({ server: '', client: '' }),
        server: () => ({ file, args: [] }),
        client: () => ({ file, args: [] }),
        firstPort: 'control',
      },
    };
    const site = nearSite({ addr: '127.0.0.1:1', port: 1, pid: 1 });
    await expect(startTunnel(peer, TCP, site)).rejects.toThrow(/ended before.*ENOENT/s);
  });
});

describe('plain relays as peers', () => {
  it('have two hops for each service of tcp, and none for udp', () => {
    const { tunnel } = plainHops({
      name: 'hops',
      version: '',
      config: (legs) => JSON.stringify(legs),
      command: (config) => ({ file: 'hops', args: [config] }),
    });
    const files = tunnel?.configs(PORTS, TCP);
    expect(JSON.parse(files?.server ?? '')).toEqual([
      { name: 'tcp', listen: '127.0.0.1:2', connect: '127.0.0.2:2' },
      { name: 'iperf3', listen: '127.0.0.1:6', connect: '127.0.0.2:6' },
    ]);
    expect(JSON.parse(files?.client ?? '')).toEqual([
      { name: 'tcp', listen: '127.0.0.2:2', connect: '127.0.0.1:4' },
      { name: 'iperf3', listen: '127.0.0.2:6', connect: '127.0.0.1:7' },
    ]);
  });

  it('takes the stream module of nginx from where that build says it is', () => {
    const module = program('ngx_stream_module.so', '', 0);
    const about = `nginx version: nginx/1.22.1 --modules-path=${module.slice(0, -21)} --with-stream=dynamic`;
    setEnv('WARREN_NGINX', program('nginx', about, 0));
    const peer = found(findNginx());
    expect(peer.version).toBe('1.22.1');
    expect(peer.tunnel?.configs(PORTS, TCP).server).toContain(`load_module ${module};\n`);
    expect(nginxConfig('', [])).not.toContain('load_module');
  });

  it('leaves an nginx out that does not take the configuration, with its own words', () => {
    setEnv('WARREN_NGINX', program('nginx', 'unknown directive "stream"', 1));
    const { found: peers, missing } = findPeers(['nginx'], []);
    expect(peers).toEqual([]);
    const reason = expect.stringMatching(/apt install .*unknown directive "stream"/);
    expect(missing).toEqual([{ name: 'nginx', reason }]);
  });

  it('says how to install what is missing', () => {
    setEnv('WARREN_NGINX', '/nowhere/nginx');
    setEnv('WARREN_HAPROXY', '/nowhere/haproxy');
    expect(findNginx()).toContain('apt install nginx-light libnginx-mod-stream');
    expect(findHaproxy()).toContain('apt install haproxy');
  });
});
