// One running tunnel: a peer over a transport, both its processes, from configuration files to a
// working echo, and their end.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Daemon,
  echoes,
  freePorts,
  listens,
  removeDirectory,
  runToEnd,
  scratchDirectory,
} from '../machine/process.ts';
import type { Site } from '../machine/site.ts';
import type { TunnelControl } from '../rows/row.ts';
import type { Peer, Ports } from './peer.ts';
import { TCP, type Transport } from './transport.ts';

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 10_000;
const LOG_TAIL_LETTERS = 400;
const LOG_LIMIT_MS = 2000;
const LOG_EVERY_MS = 10;
/** warren's line when it is up, as JSON or as text. */
const READY = /^(?=.*warren ready).*\bengine"?[:=] ?"?([\w-]+)/m;

/** Where visitors go, and the processes that carry them; none for `direct`. */
export interface Tunnel {
  readonly tcpAddr: string;
  readonly udpAddr: string;
  readonly iperf3Addr: string | undefined;
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
  /** `undefined` for `direct`. */
  readonly control: TunnelControl | undefined;
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
    iperf3Addr: site.iperf3Port === undefined ? undefined : `127.0.0.1:${site.iperf3Port}`,
    tunnelAddr: sink.addr,
    transport: TCP,
    site,
    daemons: [],
    pids: [],
    isNode: false,
    engine: undefined,
    control: undefined,
    broken: () => undefined,
    destroy: async () => {},
  };
}

/** As deployments do it: whoever reads the file meanwhile sees the old or the new, and no half. */
function replaceFile(path: string, text: string): void {
  const next = `${path}.next`;
  writeFileSync(next, text);
  renameSync(next, path);
}

/** The end of each daemon's log. */
function tailsOf(daemons: readonly Daemon[]): string {
  const tails = daemons.map((daemon) => daemon.output.slice(-LOG_TAIL_LETTERS));
  return tails.join('\n').trim();
}

/**
 * Starts a tunnel and waits until an echo passes through it. `isReloaded`: its services are going to
 * be changed.
 *
 * @throws Error with the end of the logs when it does not come up.
 */
export async function startTunnel(
  peer: Peer,
  transport: Transport,
  site: Site,
  isReloaded = false,
): Promise<Tunnel> {
  if (peer.tunnel === undefined) return noTunnel(site);
  const { host } = site;
  const ports = await portsAt(site, isReloaded);
  const [first] = ports.services;
  const portOf = (name: string): number =>
    ports.services.find((service) => service.name === name)?.port ?? first.port;
  const directory = scratchDirectory();
  const file = (name: string): string => join(directory, name);
  const { configs, server, client, firstPort, reload } = peer.tunnel;
  const write = (services: Ports['services']): void => {
    const texts = configs({ ...ports, services }, transport);
    replaceFile(file('server.toml'), texts.server);
    replaceFile(file('client.toml'), texts.client);
  };
  write(ports.services);

  const daemons: Daemon[] = [];
  const startClient = (): Daemon =>
    new Daemon(site.atClient(client(file('client.toml'), ports)), file('client.log'));
  const destroy = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.destroy()));
    removeDirectory(directory);
  };
  const control: TunnelControl = {
    async restartClient(signal) {
      const [, old] = daemons;
      if (signal === 'SIGKILL') await old?.destroy();
      else await old?.stop(STOP_LIMIT_MS);
      daemons[1] = startClient();
    },
    async setServices(further) {
      write([...ports.services, ...further]);
      if (reload !== undefined) await runToEnd(site.atClient(reload(file('client.toml'))));
    },
  };
  try {
    daemons.push(new Daemon(server(file('server.toml'), ports), file('server.log')));
    // A client that comes too early backs off for a second or more.
    const listening = firstPort === 'control' ? ports.control : first.port;
    await listens(host, listening, START_LIMIT_MS, daemons);
    daemons.push(startClient());
    await echoes(first.port, START_LIMIT_MS, daemons);
    const engine = peer.isWarren ? await engineOf(daemons, peer.engine) : undefined;
    return {
      tcpAddr: `127.0.0.1:${first.port}`,
      udpAddr: `127.0.0.1:${portOf('udp')}`,
      iperf3Addr: site.iperf3Port === undefined ? undefined : `127.0.0.1:${portOf('iperf3')}`,
      tunnelAddr: `${host}:${ports.control}`,
      transport,
      site,
      daemons,
      get pids() {
        return daemons.map((daemon) => daemon.pid);
      },
      isNode: peer.isWarren,
      engine,
      control,
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

async function portsAt({ host, sink, iperf3Port }: Site, isReloaded: boolean): Promise<Ports> {
  // Asked for together: what nobody listens on yet could be given twice.
  const [control = 0, admin = 0, tcp = 0, udp = 0, iperf3 = 0] = await freePorts(5);
  return {
    host,
    control,
    ...(isReloaded ? { admin } : {}),
    services: [
      { name: 'tcp', type: 'tcp', port: tcp, local: sink.port },
      { name: 'udp', type: 'udp', port: udp, local: sink.port },
      ...(iperf3Port === undefined
        ? []
        : [{ name: 'iperf3', type: 'tcp' as const, port: iperf3, local: iperf3Port }]),
    ],
  };
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
