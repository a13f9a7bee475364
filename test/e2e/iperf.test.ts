/** iperf3 through the tunnel: a program with a control connection and several data connections. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Daemon } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { findProgram } from '../helpers/programs.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

/** Much more than sockets and pipes on the way of four streams take while nobody reads. */
const BYTES = 402_653_184;

/** What iperf3 says it has carried. */
interface Report {
  readonly end: {
    /** Missing when it was refused. */
    readonly sum_sent?: { readonly bytes: number };
    readonly sum_received: { readonly bytes: number };
  };
}

describe.skipIf(findProgram('iperf3') === undefined)('iperf3', () => {
  const resources = new Resources();
  let port = 0;

  beforeAll(async () => {
    const local = await freePort();
    const server = Daemon.start(resources, 'iperf3', [
      'iperf3',
      '--server',
      '--forceflush',
      '--bind',
      '127.0.0.1',
      '--port',
      `${local}`,
    ]);
    await server.waitFor('listening', (line) => line.includes('Server listening'));
    const tunnel = await Tunnel.open(resources, {
      server: 'warren',
      client: 'warren',
      services: { iperf: { local } },
    });
    port = tunnel.port('iperf');
  });
  afterAll(() => resources.close());

  test.each([
    ['towards the local service', []],
    ['towards the visitor', ['--reverse']],
    ['in four streams', ['--parallel', '4']],
  ])('works %s', async (_what, flags) => {
    const args = ['--client', '127.0.0.1', '--port', `${port}`, '--bytes', `${BYTES}`, '--json'];
    // Its server is busy for a moment after each test.
    const { sum_sent, sum_received } = await until('a run that is not refused', async () => {
      const { stdout } = await promisify(execFile)('iperf3', [...args, ...flags]);
      const { end } = JSON.parse(stdout) as Report;
      return end.sum_sent === undefined ? undefined : { ...end, sum_sent: end.sum_sent };
    });
    expect(sum_sent.bytes).toBeGreaterThanOrEqual(BYTES);
    // iperf3 tells the end on its control connection: what is still in buffers then is not counted.
    expect(sum_received.bytes).toBeGreaterThan(BYTES / 4);
  });
});
