// Which peers there are and which of them a run takes. A missing one is named with its reason and
// left out.

import type { Variant } from '../options.ts';
import { findMixed } from './mixed.ts';
import type { Missing, Peer } from './peer.ts';
import { findFrp, findRathole, spliceRelay } from './rivals.ts';
import { findWarren, findWarrenVariant } from './warren.ts';

interface Known {
  readonly name: string;
  /** Other words that pick it. */
  readonly also: readonly string[];
  readonly byName?: true;
  /** The peer, or the reason why it is not there. */
  readonly find: () => Peer | string;
}

const KNOWN: readonly Known[] = [
  { name: 'direct', also: [], find: direct },
  {
    name: 'warren (rust)',
    also: ['warren', 'rust'],
    find: () => findWarren('warren (rust)', { engine: 'rust' }),
  },
  {
    name: 'warren (rust, v1)',
    also: ['rust-v1'],
    find: () => findWarren('warren (rust, v1)', { engine: 'rust', v1: true }),
  },
  {
    name: 'warren (typescript)',
    also: ['warren', 'typescript'],
    find: () => findWarren('warren (typescript)', { engine: 'typescript' }),
  },
  // Only by its name: it would make each run a fifth longer.
  {
    name: 'warren (addon)',
    also: ['addon'],
    byName: true,
    find: () => findWarren('warren (addon)', { engine: 'addon' }),
  },
  { name: 'rathole', also: [], find: findRathole },
  { name: 'frp', also: [], find: () => findFrp('frp', false) },
  { name: 'frp (mux)', also: ['frp-mux'], find: () => findFrp('frp (mux)', true) },
  {
    name: 'warren server, rathole client',
    also: ['warren-rathole'],
    find: () => findMixed('warren server, rathole client', 'server'),
  },
  {
    name: 'rathole server, warren client',
    also: ['rathole-warren'],
    find: () => findMixed('rathole server, warren client', 'client'),
  },
  { name: 'splice-relay', also: [], find: spliceRelay },
];

/** Finds the peers that the words pick, or all, and the further builds of warren. */
export function findPeers(
  words: readonly string[],
  variants: readonly Variant[],
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
      words.length === 0 ? known.byName !== true : words.some((word) => picks(word, known)),
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
    tcpOnly: true,
    overLongWay: 'no',
  };
}
