/** A tunnel of the benchmark whose services and processes are changed while it runs. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { runCell } from '../../bench/load/cell.ts';
import { freePorts } from '../../bench/load/machine/process.ts';
import { nearSite, type Site } from '../../bench/load/machine/site.ts';
import { untilAll } from '../../bench/load/machine/visit.ts';
import { ratholeConfigs } from '../../bench/load/peers/configs.ts';
import type { Peer, TunnelKind } from '../../bench/load/peers/peer.ts';
import { TCP } from '../../bench/load/peers/transport.ts';
import { startTunnel, type Tunnel } from '../../bench/load/peers/tunnel.ts';
import { reload } from '../../bench/load/rows/reload.ts';
import { restart } from '../../bench/load/rows/restart.ts';
import { over, type RowKind, type TunnelControl } from '../../bench/load/rows/row.ts';
import { CLI } from '../helpers/cli.ts';

const LIMIT_MS = 20_000;

function command(side: string): TunnelKind['server'] {
  const env = { WARREN_ENGINE: 'typescript', WARREN_LOG: 'info', WARREN_LOG_FORMAT: 'json' };
  return (config) => ({ file: process.execPath, args: [CLI, side, config], env });
}

const WARREN: Peer = {
  name: 'warren',
  version: '',
  isWarren: true,
  engine: 'typescript',
  tunnel: {
    configs: ratholeConfigs,
    server: command('--server'),
    client: command('--client'),
    firstPort: 'control',
  },
};
const DIRECT: Peer = { name: 'direct', version: '', isWarren: false, tunnel: undefined };

describe('a tunnel that is changed', () => {
  /** Sends back what follows the first letter, as the load generator's does. */
  const sink = createServer((socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      socket.write(bytes.subarray(1));
      socket.pipe(socket);
    });
  });
  let site: Site;

  beforeAll(async () => {
    sink.listen(0, '127.0.0.1');
    await once(sink, 'listening');
    const { port } = sink.address() as AddressInfo;
    site = nearSite({ addr: `127.0.0.1:${port}`, port, pid: process.pid });
  });
  afterAll(() => sink.close());

  async function started(): Promise<{ tunnel: Tunnel; control: TunnelControl }> {
    const tunnel = await startTunnel(WARREN, TCP, site, true);
    onTestFinished(() => tunnel.destroy());
    const { control } = tunnel;
    if (control === undefined) throw new Error('it cannot be changed');
    return { tunnel, control };
  }

  it.each(['SIGKILL', 'SIGTERM'] as const)('has a new client after %s', async (signal) => {
    const { tunnel, control } = await started();
    const [server, client] = tunnel.pids;
    await control.restartClient(signal);
    const port = Number(tunnel.tcpAddr.split(':')[1]);
    await untilAll([port], 'answered', LIMIT_MS);
    expect(tunnel.pids[0]).toBe(server);
    expect(tunnel.pids[1]).not.toBe(client);
    expect(() => process.kill(client ?? 0, 0)).toThrow('ESRCH');
    expect(tunnel.broken()).toBeUndefined();
  });

  it('goes over to other services and keeps its first ones', async () => {
    const { tunnel, control } = await started();
    const ports = await freePorts(3);
    const [one = 0, two = 0, three = 0] = ports;
    const service = (name: string, port: number) =>
      ({ name, type: 'tcp', port, local: site.sink.port }) as const;
    await control.setServices([service('a', one), service('b', two)]);
    await untilAll([one, two], 'answered', LIMIT_MS);
    await control.setServices([service('a', three)]);
    await untilAll([three], 'answered', LIMIT_MS);
    await untilAll([one, two], 'refused', LIMIT_MS);
    await untilAll([Number(tunnel.tcpAddr.split(':')[1])], 'answered', LIMIT_MS);
  });

  it('is measured with the processes that are there at the end', async () => {
    const { tunnel } = await started();
    const { sample } = await runCell(over('tcp', restart, 'usual'), tunnel, 1, 1);
    const { killedMs = 0, stoppedMs = 0, rssMib = 0, switches = 0 } = sample;
    expect(Math.min(killedMs, stoppedMs)).toBeGreaterThan(1);
    // Two Node processes, and a start makes some hundred switches.
    expect(rssMib).toBeGreaterThan(60);
    expect(switches).toBeGreaterThan(0);
  });

  it('lets the row say what did not come', async () => {
    const { tunnel } = await started();
    const measured = async (kind: RowKind): Promise<unknown> =>
      await runCell(over('tcp', kind, 'usual'), tunnel, 1, 1);
    const deaf: RowKind = {
      ...reload,
      run: (cell) =>
        reload.run({
          ...cell,
          control: {
            restartClient: async () => {},
            setServices: () => Promise.reject(new Error('frpc ended with 1')),
          },
        }),
    };
    await expect(measured(deaf)).rejects.toThrow('services added: frpc ended with 1');
  });

  it('leaves the rows without a number where there is no tunnel', async () => {
    const direct = await startTunnel(DIRECT, TCP, site);
    for (const kind of [restart, reload]) {
      expect((await runCell(over('tcp', kind, 'usual'), direct, 1, 1)).sample).toEqual({});
    }
  });
});
