/** A server's uses of reusable channels: puts those of a pool to use, and brings them back. */
import type { EndReason } from '../engine/reason.ts';
import type { ReuseRules } from '../engine/spec.ts';
import { startWord } from './channel-words.ts';
import type { DataplaneContext } from './context.ts';
import type { Link } from './link.ts';
import { encodeOrigin, type OriginAddresses } from './origin.ts';
import type { Pool } from './pool.ts';
import { ReusedLink } from './reused-link.ts';
import type { SessionUses } from './session-uses.ts';

/** What a session says of reuse. */
export interface SessionReuse {
  readonly rules: ReuseRules;
  readonly uses: SessionUses;
}

const NOTHING = new Uint8Array(0);

export class ServerUses {
  readonly #context: DataplaneContext;
  readonly #pool: Pool;
  readonly #failed: (reason: EndReason) => void;
  /** Those whose channels have not come back. */
  readonly #open = new Set<ReusedLink>();

  constructor(context: DataplaneContext, pool: Pool, failed: (reason: EndReason) => void) {
    this.#context = context;
    this.#pool = pool;
    this.#failed = failed;
  }

  /** A channel for one visitor; undefined: none is idle. */
  begin(
    { rules, uses }: SessionReuse,
    addresses: () => OriginAddresses,
    nodelay: boolean | undefined,
  ): Link | undefined {
    const lent = this.#pool.lend();
    if (lent === undefined) return undefined;
    const { link: channel, isFirstUse } = lent;
    if (nodelay !== undefined) channel.setNoDelay(nodelay);
    const visitor = uses.next();
    const origin = { visitor, addresses: rules.addresses ? addresses() : undefined };
    const start = startWord(encodeOrigin(origin));
    const ended = (): void => {
      this.#open.delete(use);
      uses.delete(visitor, use);
    };
    const use: ReusedLink = new ReusedLink(channel, {
      links: this.#context.links,
      role: 'server',
      head: isFirstUse ? Buffer.concat([rules.start, start]) : start,
      early: NOTHING,
      settleMs: this.#context.limits.channelSettleMs,
      freeMs: this.#context.limits.halfCloseIdleMs,
      giveUp: (reason) => uses.giveUp(visitor, reason),
      freed: () => {
        ended();
        this.#pool.giveBack(channel);
      },
      lost: (fault) => {
        ended();
        this.#pool.gone(channel);
        if (fault !== undefined) this.#failed(fault);
      },
    });
    this.#open.add(use);
    uses.add(visitor, use);
    return use;
  }

  /** Ends what has not come back though its visitor has gone. */
  destroy(): void {
    for (const use of [...this.#open]) use.destroy();
  }
}
