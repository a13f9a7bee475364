/** A Server or a Client of the library with short limits, against a peer that is played by hand. */
import {
  Client,
  type Limits,
  Server,
  type ServiceStats,
  type TransportOptions,
} from '../../ts/index.ts';
import { RecordingLog } from './process-log.ts';
import { type Resources, until } from './process-resources.ts';
import { WireClient, WireServer } from './rathole-wire.ts';

export const TOKEN = 'finding';

export interface OpenServerOptions {
  readonly limits?: Partial<Limits>;
  /** Names and types; default: one tcp service `web`. */
  readonly services?: Readonly<Record<string, 'tcp' | 'udp'>>;
  readonly heartbeatIntervalSecs?: number;
  readonly accessLog?: boolean;
  readonly transport?: TransportOptions;
  readonly channels?: 'reuse' | 'v1';
}

export class TestServer {
  readonly server: Server;
  readonly log: RecordingLog;
  readonly #resources: Resources;

  private constructor(server: Server, log: RecordingLog, resources: Resources) {
    this.server = server;
    this.log = log;
    this.#resources = resources;
  }

  static async open(resources: Resources, options: OpenServerOptions = {}): Promise<TestServer> {
    const { services = { web: 'tcp' }, limits, heartbeatIntervalSecs = 0, accessLog } = options;
    const log = new RecordingLog();
    const tables = Object.entries(services).map(
      ([name, type]) => [name, { type, bindAddr: '127.0.0.1:0' }] as const,
    );
    const server = new Server(
      {
        bindAddr: '127.0.0.1:0',
        heartbeatIntervalSecs,
        defaultToken: TOKEN,
        services: Object.fromEntries(tables),
        ...(options.transport === undefined ? {} : { transport: options.transport }),
        ...(options.channels === undefined ? {} : { channels: options.channels }),
      },
      {
        log,
        ...(limits === undefined ? {} : { limits }),
        ...(accessLog === undefined ? {} : { accessLog }),
      },
    );
    resources.use(server);
    await server.start();
    return new TestServer(server, log, resources);
  }

  /** Where clients connect. */
  get port(): number {
    const { address } = this.server;
    if (address === undefined) throw new Error('the server does not listen');
    return address.port;
  }

  /** Where visitors of a service connect, once it is bound. */
  async visitorPort(service = 'web'): Promise<number> {
    const address = await until(`the address of ${service}`, () =>
      this.server.serviceAddress(service),
    );
    return address.port;
  }

  /**
   * An authenticated client, by hand, that has been asked for a channel. Clients open none before
   * that, and by then the session's key is known on every thread of the server.
   */
  async client(service = 'web'): Promise<WireClient> {
    const resources = this.#resources;
    const client = await WireClient.open({ port: this.port, service, token: TOKEN, resources });
    await until('the first create', () => client.control.unread.length > 0);
    return client;
  }

  stats(service = 'web'): ServiceStats {
    const stats = this.server.stats().services.find((each) => each.service === service);
    if (stats === undefined) throw new Error(`no stats of ${service}`);
    return stats;
  }

  rejected(reason: keyof ReturnType<Server['stats']>['tunnelRejected']): number {
    return this.server.stats().tunnelRejected[reason] ?? 0;
  }
}

export interface OpenClientOptions {
  readonly limits?: Partial<Limits>;
  readonly type?: 'tcp' | 'udp';
  /** Where the local service is. */
  readonly local: number;
  readonly localHost?: string;
  readonly remoteHost?: string;
  /** Where the server is; default: a free port of 127.0.0.1. */
  readonly peerPort?: number;
  readonly peerHost?: string;
  readonly heartbeatTimeoutSecs?: number;
  readonly channels?: 'reuse' | 'v1';
}

export interface LoneClient {
  readonly client: Client;
  readonly log: RecordingLog;
  stats(): ServiceStats;
}

/** A started client of whatever a test has at that port. */
export async function openClientOf(
  resources: Resources,
  remoteAddr: string,
  transport: TransportOptions,
  local = 9,
): Promise<LoneClient> {
  const log = new RecordingLog();
  const client = new Client(
    {
      remoteAddr,
      transport,
      heartbeatTimeoutSecs: 0,
      defaultToken: TOKEN,
      services: { web: { localAddr: `127.0.0.1:${local}` } },
    },
    { log, accessLog: true },
  );
  resources.use(client);
  await client.start();
  return { client, log, stats: () => onlyService(client) };
}

/**
 * It was refused for this reason, told why, and waits by the schedule of those that only an operator
 * can mend. Resolves with what was told.
 */
export async function refusedForGood(log: RecordingLog, reason: string): Promise<string> {
  const told = await log.waitFor('cannot connect to the server, will retry', { reason });
  const { fields } = await log.waitFor('waiting before the next attempt');
  // Another end of a first attempt pauses for 0.6 s at most.
  if (!(Number(fields['delayMs']) >= 800)) throw new Error(`a pause of ${fields['delayMs']} ms`);
  return String(told.fields['error']);
}

function onlyService(client: Client): ServiceStats {
  const [first] = client.stats().services;
  if (first === undefined) throw new Error('no service');
  return first;
}

export interface TestClient {
  readonly client: Client;
  readonly log: RecordingLog;
  readonly peer: WireServer;
  stats(): ServiceStats;
}

/** A started client whose server is played by hand. */
export async function openClient(
  resources: Resources,
  options: OpenClientOptions,
): Promise<TestClient> {
  const peer = await WireServer.open(resources, options.peerPort, options.peerHost);
  const log = new RecordingLog();
  const { limits, type = 'tcp', local, localHost = '127.0.0.1' } = options;
  const { heartbeatTimeoutSecs = 0, remoteHost = '127.0.0.1' } = options;
  const client = new Client(
    {
      remoteAddr: `${remoteHost}:${peer.port}`,
      heartbeatTimeoutSecs,
      defaultToken: TOKEN,
      services: { web: { type, localAddr: `${localHost}:${local}` } },
      ...(options.channels === undefined ? {} : { channels: options.channels }),
    },
    { log, ...(limits === undefined ? {} : { limits }) },
  );
  resources.use(client);
  await client.start();
  return { client, log, peer, stats: () => onlyService(client) };
}
