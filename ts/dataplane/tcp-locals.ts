/** Carries started tcp channels to the local service: connect, then relay. */
import type { EndReason } from '../engine/reason.ts';
import { errorText, WarrenError } from '../errors.ts';
import { dialTcp } from './dial.ts';
import type { Link } from './link.ts';
import type { LocalCarrier, LocalCarrierOptions } from './local-carrier.ts';
import type { RunningRelay } from './relay.ts';

const LOCAL_KEEPALIVE_MS = 60_000;

export class TcpLocals implements LocalCarrier {
  readonly #options: LocalCarrierOptions;
  readonly #relays = new Set<RunningRelay>();
  readonly #connecting = new Map<Link, AbortController>();

  constructor(options: LocalCarrierOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#relays.size + this.#connecting.size;
  }

  carry(link: Link, rest: Uint8Array): void {
    const { counters } = this.#options;
    const since = Date.now();
    const abort = new AbortController();
    counters.visitorsTotal += 1;
    this.#connecting.set(link, abort);
    this.#count();
    link.setSink({ data: () => false, end() {}, closed: () => abort.abort() });
    this.#connect(link, since, abort.signal)
      .then((local) => {
        this.#connecting.delete(link);
        if (local !== undefined) this.#relay(link, local, rest, since);
        this.#count();
        if (this.size === 0) this.#options.empty();
      })
      .catch((error: unknown) => {
        this.#options.context.fault('local connect', error);
        link.abort();
      });
  }

  draining(): void {
    // Connections end by themselves.
  }

  destroy(reason: EndReason): void {
    for (const abort of [...this.#connecting.values()]) abort.abort(reason);
    for (const relay of [...this.#relays]) relay.destroy(reason);
  }

  async #connect(link: Link, since: number, signal: AbortSignal): Promise<Link | undefined> {
    const { context } = this.#options;
    const { local, preferIpv6 } = this.#options.spec();
    try {
      return await dialTcp(
        local,
        {
          links: context.links,
          timeoutMs: context.limits.localConnectTimeoutMs,
          preferIpv6,
          nodelay: true,
          keepaliveMs: LOCAL_KEEPALIVE_MS,
        },
        signal,
      );
    } catch (error) {
      const wasClosed = link.closed;
      link.abort();
      if (signal.aborted) {
        const reason = wasClosed ? 'channel_reset' : signal.reason;
        this.#ended(typeof reason === 'string' ? (reason as EndReason) : 'destroyed', since);
      } else {
        const reason = localReason(error);
        this.#ended(reason, since);
        context.visitorRefused(this.#options.spec().name, reason, errorText(error));
      }
      return undefined;
    }
  }

  #relay(link: Link, local: Link, rest: Uint8Array, since: number): void {
    const { context, counters } = this.#options;
    const relay = context.startRelay(link, local, {
      counters,
      limits: context.limits,
      nearBroken: 'channel_reset',
      farBroken: 'local_reset',
      unwritten: rest.length > 0 ? [rest] : [],
      alreadyIn: rest.length,
      done: (ended) => {
        this.#relays.delete(ended);
        this.#ended(ended.reason, since, ended);
        this.#count();
        if (this.size === 0) this.#options.empty();
      },
    });
    this.#relays.add(relay);
  }

  #ended(reason: EndReason, since: number, relay?: RunningRelay): void {
    const { context, counters } = this.#options;
    counters.end(reason);
    context.visitorEnd({
      service: this.#options.spec().name,
      protocol: 'tcp',
      visitor: undefined,
      bytesIn: relay?.bytesIn ?? 0,
      bytesOut: relay?.bytesOut ?? 0,
      durationMs: Date.now() - since,
      reason,
    });
  }

  #count(): void {
    this.#options.counters.visitorsOpen = this.size;
  }
}

function localReason(error: unknown): EndReason {
  const cause = error instanceof WarrenError ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ECONNREFUSED') return 'local_refused';
  return code === 'ETIMEDOUT' ? 'local_timeout' : 'local_unreachable';
}
