/** Carries started tcp channels to the local service: connect, then relay. */
import type { EndReason } from '../engine/reason.ts';
import { errorText, WarrenError } from '../errors.ts';
import { dialTcp } from './dial.ts';
import type { Link } from './link.ts';
import { brokenReason } from './link-end.ts';
import type { LocalCarrier, LocalCarrierOptions } from './local-carrier.ts';
import type { Origin } from './origin.ts';
import type { RunningRelay } from './relay.ts';

const LOCAL_KEEPALIVE_MS = 60_000;

/** One visitor, from its start command on. */
interface Visit {
  /** The channel, or its use of one. */
  readonly link: Link;
  readonly origin: Origin | undefined;
  readonly since: number;
}

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

  carry(link: Link, rest: Uint8Array, origin?: Origin): void {
    const { counters } = this.#options;
    const visit = { link, origin, since: Date.now() };
    const abort = new AbortController();
    counters.visitorsTotal += 1;
    this.#connecting.set(link, abort);
    this.#count();
    let early = rest;
    link.setSink({
      data: (chunk) => {
        early = Buffer.from(chunk);
        return false;
      },
      end() {},
      closed: (error) => abort.abort(brokenReason(error, 'channel_reset')),
    });
    // So that it is seen when the visitor leaves meanwhile; what it sends stops that.
    if (origin !== undefined) link.resume();
    this.#connect(visit, abort.signal)
      .then((local) => {
        this.#connecting.delete(link);
        if (local !== undefined) this.#relay(visit, local, early);
        this.#count();
        if (this.size === 0) this.#options.empty();
      })
      .catch((error: unknown) => {
        this.#options.context.fault('local connect', error);
        link.abort('internal_error');
      });
  }

  draining(): void {
    // Connections end by themselves.
  }

  destroy(reason: EndReason): void {
    for (const abort of [...this.#connecting.values()]) abort.abort(reason);
    for (const relay of [...this.#relays]) relay.destroy(reason);
  }

  /** What is to be said of `visit.origin` to the local service goes ahead of everything else. */
  async #connect(visit: Visit, signal: AbortSignal): Promise<Link | undefined> {
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
      // The reason is one of ours: of the link, or of `destroy`.
      const reason = signal.aborted ? (signal.reason as EndReason) : localReason(error);
      visit.link.abort(reason);
      this.#ended(visit, reason);
      if (!signal.aborted) {
        context.visitorRefused(this.#options.spec().name, reason, errorText(error));
      }
      return undefined;
    }
  }

  #relay(visit: Visit, local: Link, rest: Uint8Array): void {
    const { context, counters } = this.#options;
    const relay = context.startRelay(visit.link, local, {
      counters,
      limits: context.limits,
      nearBroken: 'channel_reset',
      farBroken: 'local_reset',
      unwritten: rest.length > 0 ? [rest] : [],
      alreadyIn: rest.length,
      done: (ended) => {
        this.#relays.delete(ended);
        this.#ended(visit, ended.reason, ended);
        this.#count();
        if (this.size === 0) this.#options.empty();
      },
    });
    this.#relays.add(relay);
  }

  #ended({ origin, since }: Visit, reason: EndReason, relay?: RunningRelay): void {
    const { context, counters } = this.#options;
    counters.end(reason);
    context.visitorEnd({
      service: this.#options.spec().name,
      protocol: 'tcp',
      visitor: origin?.addresses?.visitor,
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
