// Which peers there are and which of them a run takes. A missing one is named with its reason and
// left out.

import { type Level, reaches, type Variant } from '../options.ts';
import { findFrp } from './frp.ts';
import { findHaproxy } from './haproxy.ts';
import { findMixed } from './mixed.ts';
import { findNginx } from './nginx.ts';
import type { Missing, Peer } from './peer.ts';
import { findRathole } from './rathole.ts';
import { spliceRelay } from './splice-relay.ts';
import { findWarren, findWarrenVariant } from './warren.ts';

export interface Known {
  readonly name: string;
  /** Other words that pick it. */
  readonly also: readonly string[];
  /** From which level on it takes part, unless it is picked by its name. */
  readonly level: Level;
  /** The peer, or the reason why it is not there. */
  readonly find: () => Peer | string;
}

/** Where the kind of data channel shows. */
const V1_ROWS = ['bulk', 'pingpong', 'requests', 'http', 'latency', 'visitors', 'first-byte'];
/** Where its relays show. They leave visitors of reused channels to JavaScript: so it is v1. */
const ADDON_ROWS = ['bulk', 'requests', 'http', 'visitors-32', 'idle', 'held'];

/** The order in which figures are printed. */
export const KNOWN: readonly Known[] = [
  { name: 'direct', level: 'quick', also: [], find: direct },
  {
    name: 'warren (rust)',
    level: 'quick',
    also: ['warren', 'rust'],
    find: () => findWarren('warren (rust)', { engine: 'rust' }),
  },
  {
    name: 'warren (rust, v1)',
    level: 'usual',
    also: ['rust-v1'],
    find: () => findWarren('warren (rust, v1)', { engine: 'rust', v1: true, rows: V1_ROWS }),
  },
  {
    name: 'warren (typescript)',
    level: 'quick',
    also: ['warren', 'typescript'],
    find: () => findWarren('warren (typescript)', { engine: 'typescript' }),
  },
  {
    name: 'warren (addon, v1)',
    level: 'usual',
    also: ['addon'],
    find: () => findWarren('warren (addon, v1)', { engine: 'addon', v1: true, rows: ADDON_ROWS }),
  },
  { name: 'rathole', level: 'quick', also: [], find: findRathole },
  { name: 'frp', level: 'quick', also: [], find: () => findFrp('frp', false) },
  { name: 'frp (mux)', level: 'usual', also: ['frp-mux'], find: () => findFrp('frp (mux)', true) },
  {
    name: 'warren server, rathole client',
    level: 'usual',
    also: ['warren-rathole'],
    find: () => findMixed('warren server, rathole client', 'server'),
  },
  {
    name: 'rathole server, warren client',
    level: 'full',
    also: ['rathole-warren'],
    find: () => findMixed('rathole server, warren client', 'client'),
  },
  { name: 'splice-relay', level: 'usual', also: [], find: spliceRelay },
  { name: 'nginx', level: 'usual', also: [], find: findNginx },
  { name: 'haproxy', level: 'usual', also: [], find: findHaproxy },
];

/** Finds the peers that the words pick, or those of the level, and the further builds of warren. */
export function findPeers(
  words: readonly string[],
  variants: readonly Variant[],
  level: Level = 'full',
): { found: Peer[]; missing: Missing[] } {
  const picks = (word: string, { name, also }: Known): boolean =>
    word === name || also.includes(word);
  const unknown = words.find((word) => !KNOWN.some((known) => picks(word, known)));
  if (unknown !== undefined) {
    const words = new Set(KNOWN.flatMap(({ name, also }) => (also.length > 0 ? also : [name])));
    throw new Error(`unknown peer ${unknown}; known: ${[...words].join(', ')}`);
  }
  const taken = variants.find(({ name }) => KNOWN.some((known) => known.name === name));
  if (taken !== undefined) throw new Error(`--peer: the name ${taken.name} is taken`);
  const wanted = [
    ...KNOWN.filter((known) =>
      words.length === 0 ? reaches(level, known.level) : words.some((word) => picks(word, known)),
    ),
    ...variants.map((variant) => ({
      name: variant.name,
      find: () => findWarrenVariant(variant),
    })),
  ];
  const found: Peer[] = [];
  const missing: Missing[] = [];
  for (const { name, find } of wanted) {
    const peer = find();
    if (typeof peer === 'string') missing.push({ name, reason: peer });
    else found.push(peer);
  }
  return { found, missing };
}

/** The sink without any tunnel. */
function direct(): Peer {
  return {
    name: 'direct',
    version: '',
    tunnel: undefined,
    isWarren: false,
    transports: ['tcp'],
  };
}
