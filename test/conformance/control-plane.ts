/**
 * The suite's own control plane: the least that wire v1 asks for, so that tests drive an engine by its
 * contract alone. `ServerSide` and `ClientSide` are what `ts/server` and `ts/client` are in earnest.
 */
import type { ChannelMode } from '../../ts/config/config.ts';
import { clientHandshake, serverHandshake } from '../../ts/control/handshake.ts';
import type { Agreement } from '../../ts/control/negotiation.ts';
import { clientRoutine, HELLO_RULE, serverRoutine } from '../../ts/control/routines.ts';
import type {
  ClientService,
  ControlStream,
  Engine,
  ServerService,
  TunnelListener,
} from '../../ts/engine/engine.ts';
import type { EngineEvent } from '../../ts/engine/events.ts';
import type { EndReason } from '../../ts/engine/reason.ts';
import type { DialSpec, HostPort, ServiceType, TransportSpec } from '../../ts/engine/spec.ts';
import type { ServiceStats } from '../../ts/engine/stats.ts';
import { serviceDigest } from '../../ts/protocol/wire.ts';
import type { Address } from '../helpers/peer.ts';
import { until } from '../helpers/until.ts';

export const TOKEN = 'conformance';
export const NAME = 'service';

export const TRANSPORT: TransportSpec = {
  type: 'tcp',
  tcp: { nodelay: true, keepaliveMs: 20000, keepaliveIntervalMs: 8000 },
};

/** Where `channels` is `reuse`, both ends have agreed to it before a test begins. */
function agreementOn(channels: ChannelMode, addresses: boolean): Agreement | undefined {
  return channels === 'reuse' ? { addresses } : undefined;
}

/** An engine and all that it has reported. */
export interface Rig {
  readonly engine: Engine;
  readonly events: EngineEvent[];
}

/** Events of one type, in order. */
export function eventsOf<Type extends EngineEvent['type']>(
  rig: Rig,
  type: Type,
): Extract<EngineEvent, { type: Type }>[] {
  return rig.events.filter(
    (event): event is Extract<EngineEvent, { type: Type }> => event.type === type,
  );
}

/** Waits for an event of a type that satisfies `condition`. */
export function event<Type extends EngineEvent['type']>(
  rig: Rig,
  type: Type,
  condition: (event: Extract<EngineEvent, { type: Type }>) => boolean = () => true,
): Promise<Extract<EngineEvent, { type: Type }>> {
  return until(() => eventsOf(rig, type).find(condition), `event ${type}`);
}

export function statsOf(engine: Engine, name: string = NAME): ServiceStats {
  const stats = engine.stats().services.find(({ service }) => service === name);
  if (stats === undefined) throw new Error(`no service ${name} in the stats`);
  return stats;
}

export function endsOf(engine: Engine, reason: EndReason, name: string = NAME): number {
  return statsOf(engine, name).ends[reason] ?? 0;
}

/** One session as its handler saw it. */
export interface SessionRecord {
  readonly key: Uint8Array;
  readonly control: ControlStream;
  readonly reasons: EndReason[];
  surplus: number;
  /** What to do about surplus bytes; by default nothing, the test does. */
  onSurplus: (stream: ControlStream) => void;
}

function newRecord(key: Uint8Array, control: ControlStream): SessionRecord {
  return { key, control, reasons: [], surplus: 0, onSurplus: () => undefined };
}

function handlerOf(record: SessionRecord) {
  return {
    surplus: (stream: ControlStream) => {
      record.surplus += 1;
      record.onSurplus(stream);
    },
    ended: (reason: EndReason) => record.reasons.push(reason),
  };
}

export function sessionEnd(record: SessionRecord): Promise<EndReason> {
  return until(() => record.reasons[0], 'the end of the session');
}

export interface ServerServiceOptions {
  readonly name?: string;
  readonly type?: ServiceType;
  readonly bind?: HostPort;
  readonly nodelay?: boolean | undefined;
  readonly heartbeatIntervalMs?: number;
  /** Visitors' addresses go with each use of a channel; default true. */
  readonly addresses?: boolean;
}

/** One service on the server, with the sessions that were attached to it. */
export interface Exposed {
  readonly service: ServerService;
  readonly sessions: SessionRecord[];
  readonly type: ServiceType;
  readonly name: string;
  readonly heartbeatIntervalMs: number;
  readonly addresses: boolean;
}

/** A server: a tunnel listener, services, and the handshake between them. */
export class ServerSide {
  readonly rig: Rig;
  readonly #transport: TransportSpec;
  readonly #channels: ChannelMode;
  readonly #services = new Map<string, Exposed>();
  /** Control streams in the order in which their hellos came. */
  readonly streams: ControlStream[] = [];
  listener: TunnelListener | undefined;

  constructor(rig: Rig, transport: TransportSpec = TRANSPORT, channels: ChannelMode = 'v1') {
    this.rig = rig;
    this.#transport = transport;
    this.#channels = channels;
  }

  get engine(): Engine {
    return this.rig.engine;
  }

  async listen(port = 0, host = '127.0.0.1'): Promise<this> {
    this.listener = await this.engine.listen(
      { bind: { host, port }, transport: this.#transport, hello: HELLO_RULE },
      { control: (digest, stream) => void this.#control(digest, stream).catch(() => undefined) },
    );
    return this;
  }

  get address(): Address {
    if (this.listener === undefined) throw new Error('listen first');
    return this.listener.address;
  }

  expose(options: ServerServiceOptions = {}): Exposed {
    const {
      name = NAME,
      type = 'tcp',
      bind = { host: '127.0.0.1', port: 0 },
      nodelay,
      heartbeatIntervalMs = 0,
      addresses = true,
    } = options;
    const service = this.engine.openServerService({ name, type, bind, nodelay });
    const exposed = { service, sessions: [], type, name, heartbeatIntervalMs, addresses };
    this.#services.set(hex(serviceDigest(name)), exposed);
    return exposed;
  }

  async #control(digest: Uint8Array, stream: ControlStream): Promise<void> {
    this.streams.push(stream);
    const exposed = this.#services.get(hex(digest));
    const handshake = await serverHandshake(
      stream,
      exposed === undefined ? undefined : TOKEN,
      this.#channels,
    );
    if (exposed === undefined || handshake.result !== 'accepted') return;
    const record = newRecord(handshake.key, stream);
    exposed.sessions.push(record);
    exposed.service.attach({
      key: handshake.key,
      control: stream,
      routine: serverRoutine({
        type: exposed.type,
        heartbeatIntervalMs: exposed.heartbeatIntervalMs,
        agreement: agreementOn(this.#channels, exposed.addresses),
      }),
      handler: handlerOf(record),
    });
  }
}

/** Where visitors come in, once it is bound. */
export function publicAddress({ service }: Exposed): Promise<Address> {
  return until(() => service.address, 'the public address');
}

export interface ClientServiceOptions {
  readonly name?: string;
  readonly type?: ServiceType;
  readonly local: HostPort;
  readonly nodelay?: boolean | undefined;
  readonly silenceTimeoutMs?: number;
  /** As `ServerServiceOptions`. */
  readonly addresses?: boolean;
}

/** One service on a client; `connect` makes a session, as often as wanted. */
export class ClientSide {
  readonly rig: Rig;
  readonly service: ClientService;
  readonly sessions: SessionRecord[] = [];
  readonly #options: ClientServiceOptions;
  readonly #transport: TransportSpec;
  readonly #channels: ChannelMode;

  constructor(
    rig: Rig,
    options: ClientServiceOptions,
    transport: TransportSpec = TRANSPORT,
    channels: ChannelMode = 'v1',
  ) {
    this.rig = rig;
    this.#options = options;
    this.#transport = transport;
    this.#channels = channels;
    const { name = NAME, type = 'tcp', local, nodelay } = options;
    this.service = rig.engine.openClientService({ name, type, local, nodelay, preferIpv6: false });
  }

  get engine(): Engine {
    return this.rig.engine;
  }

  async connect(server: Address): Promise<SessionRecord> {
    const { name = NAME, type = 'tcp', silenceTimeoutMs = 0, addresses = true } = this.#options;
    const dial: DialSpec = {
      remote: server,
      preferIpv6: false,
      transport: this.#transport,
      proxy: undefined,
    };
    const stream = await this.engine.dial(dial, new AbortController().signal);
    const { key } = await clientHandshake(stream, name, TOKEN, 10_000);
    const record = newRecord(key, stream);
    this.sessions.push(record);
    this.service.attach({
      control: stream,
      dial,
      routine: clientRoutine({
        type,
        sessionKey: key,
        silenceTimeoutMs,
        extension: agreementOn(this.#channels, addresses),
      }),
      handler: handlerOf(record),
    });
    return record;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
