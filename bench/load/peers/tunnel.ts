// One running tunnel: a peer over a transport, both its processes, from configuration files to a
// working echo, and their end.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Daemon,
  echoes,
  freePort,
  listens,
  removeDirectory,
  scratchDirectory,
} from '../machine/process.ts';
import type { Site } from '../machine/site.ts';
import type { Peer } from './peer.ts';
import { TCP, type Transport } from './transport.ts';

const START_LIMIT_MS = 15_000;
const LOG_TAIL_LETTERS = 400;
const LOG_LIMIT_MS = 2000;
const LOG_EVERY_MS = 10;
/** warren's line when it is up, as JSON or as text. */
const READY = /^(?=.*warren ready).*\bengine"?[:=] ?"?([\w-]+)/m;

/** Where visitors go, and the processes that carry them; none for `direct`. */
export interface Tunnel {
  readonly tcpAddr: string;
  readonly udpAddr: string;
  /** Where the server accepts its client. */
  readonly tunnelAddr: string;
  readonly transport: Transport;
  readonly site: Site;
  /** Server first, then client. */
  readonly daemons: readonly Daemon[];
  readonly pids: readonly number[];
  readonly isNode: boolean;
  /** The engine that both processes of a warren name in their logs, if they do. */
  readonly engine: string | undefined;
  /** Why it can carry nothing any more: a process has ended, with the end of its log. */
  broken(): string | undefined;
  destroy(): Promise<void>;
}

/** The way to the sink without a tunnel. */
function noTunnel(site: Site): Tunnel {
  const { sink } = site;
  return {
    tcpAddr: sink.addr,
    udpAddr: sink.addr,
    tunnelAddr: sink.addr,
    transport: TCP,
    site,
    daemons: [],
    pids: [],
    isNode: false,
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
export async function startTunnel(peer: Peer, transport: Transport, site: Site): Promise<Tunnel> {
  if (peer.tunnel === undefined) return noTunnel(site);
  const { host } = site;
  const ports = {
    host,
    control: await freePort(),
    tcp: await freePort(),
    udp: await freePort(),
    sink: site.sink.port,
  };
  const directory = scratchDirectory();
  const file = (name: string): string => join(directory, name);
  const configs = peer.tunnel.configs(ports, transport);
  writeFileSync(file('server.toml'), configs.server);
  writeFileSync(file('client.toml'), configs.client);

  const daemons: Daemon[] = [];
  const destroy = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.destroy()));
    removeDirectory(directory);
  };
  try {
    const server = peer.tunnel.server(file('server.toml'), ports);
    daemons.push(new Daemon(server, file('server.log')));
    // A client that comes too early backs off for a second or more.
    await listens(host, ports[peer.tunnel.firstPort], START_LIMIT_MS, daemons);
    const client = site.atClient(peer.tunnel.client(file('client.toml'), ports));
    daemons.push(new Daemon(client, file('client.log')));
    await echoes(ports.tcp, START_LIMIT_MS, daemons);
    return {
      tcpAddr: `127.0.0.1:${ports.tcp}`,
      udpAddr: `127.0.0.1:${ports.udp}`,
      tunnelAddr: `${host}:${ports.control}`,
      transport,
      site,
      daemons,
      pids: daemons.map((daemon) => daemon.pid),
      isNode: peer.isWarren,
      engine: peer.isWarren ? await engineOf(daemons, peer.engine) : undefined,
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

/**
 * The engine that the logs name. An echo may be faster than the log, which is waited for.
 *
 * @throws Error when it is not the wanted one: its numbers would stand under the wrong name.
 */
async function engineOf(
  daemons: readonly Daemon[],
  wanted: string | undefined,
): Promise<string | undefined> {
  const deadline = Date.now() + LOG_LIMIT_MS;
  for (;;) {
    const named = daemons.map(({ output }) => READY.exec(output)?.[1]);
    const engines = [...new Set(named)];
    const [engine] = engines;
    if (!named.includes(undefined) && engines.length === 1) {
      if (wanted === undefined || engine === wanted) return engine;
    } else if (Date.now() < deadline) {
      await sleep(LOG_EVERY_MS);
      continue;
    }
    const found = named.map((name) => name ?? 'none').join(' and ');
    throw new Error(`the logs name the engine ${found}${wanted ? `, not ${wanted}` : ''}`);
  }
}
