// One running tunnel: both processes, from configuration files to a working echo, and their end.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sink } from './load.ts';
import type { Peer } from './peers.ts';
import { Daemon, echoes, freePort, listens, removeDirectory, scratchDirectory } from './process.ts';

const START_LIMIT_MS = 15_000;
const LOG_TAIL_LETTERS = 400;

/** Where visitors go, and the processes that carry them; none for `direct`. */
export interface Tunnel {
  readonly tcpAddr: string;
  readonly udpAddr: string;
  /** Server first, then client. */
  readonly pids: readonly number[];
  /** The engine a peer's log names, if it does. */
  readonly engine: string | undefined;
  /** Why it can carry nothing any more: a process has ended, with the end of its log. */
  broken(): string | undefined;
  destroy(): Promise<void>;
}

/** The way to the sink without a tunnel. */
function noTunnel(sink: Sink): Tunnel {
  return {
    tcpAddr: sink.addr,
    udpAddr: sink.addr,
    pids: [],
    engine: undefined,
    broken: () => undefined,
    destroy: async () => {},
  };
}

/** The end of each daemon's log. */
function tailsOf(daemons: readonly Daemon[]): string {
  const tails = daemons.map((daemon) => daemon.output.slice(-LOG_TAIL_LETTERS));
  return tails.join('\n').trim();
}

/**
 * Starts a tunnel and waits until an echo passes through it.
 *
 * @throws Error with the end of the logs when it does not come up.
 */
export async function startTunnel(peer: Peer, sink: Sink): Promise<Tunnel> {
  if (peer.tunnel === undefined) return noTunnel(sink);
  const ports = {
    control: await freePort(),
    tcp: await freePort(),
    udp: await freePort(),
    sink: sink.port,
  };
  const directory = scratchDirectory();
  const file = (name: string): string => join(directory, name);
  const configs = peer.tunnel.configs(ports);
  writeFileSync(file('server.toml'), configs.server);
  writeFileSync(file('client.toml'), configs.client);

  const daemons: Daemon[] = [];
  const destroy = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.destroy()));
    removeDirectory(directory);
  };
  try {
    const server = new Daemon(peer.tunnel.server(file('server.toml')), file('server.log'));
    daemons.push(server);
    // A client that comes too early backs off for a second or more.
    await listens(ports.control, START_LIMIT_MS, daemons);
    daemons.push(new Daemon(peer.tunnel.client(file('client.toml')), file('client.log')));
    await echoes(ports.tcp, START_LIMIT_MS, daemons);
    return {
      tcpAddr: `127.0.0.1:${ports.tcp}`,
      udpAddr: `127.0.0.1:${ports.udp}`,
      pids: daemons.map((daemon) => daemon.pid),
      engine: /"?engine"?[:=] ?"?([\w-]+)/.exec(server.output)?.[1],
      broken: () =>
        daemons.every((daemon) => daemon.alive)
          ? undefined
          : `a process has ended; log: ${tailsOf(daemons)}`,
      destroy,
    };
  } catch (error) {
    const logs = tailsOf(daemons);
    await destroy();
    throw new Error(`${error instanceof Error ? error.message : String(error)}; log: ${logs}`);
  }
}
