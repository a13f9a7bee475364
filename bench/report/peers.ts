// What the report knows of the peers by their names: whom the subject is measured against, what
// each stands for, and its colour in every plot.

import type { DocumentPeer } from './document.ts';

/** The sink without a tunnel. */
export const BASELINE = 'direct';

interface Known {
  readonly name: string;
  /** A tunnel that somebody may take in place of warren. */
  readonly isRival?: true;
  readonly color: string;
  readonly about: string;
}

/** Colours that people with any kind of colour vision tell apart (Okabe and Ito); references grey. */
const KNOWN: readonly Known[] = [
  {
    name: BASELINE,
    color: '#7a7a7a',
    about: 'the load generator and its sink without any tunnel: what load and sink alone allow',
  },
  {
    name: 'warren (rust)',
    color: '#0072b2',
    about: 'warren with its Rust engine, which npm install brings, channels reused',
  },
  {
    name: 'warren (rust, v1)',
    color: '#56b4e9',
    about: "the same with rathole's wire protocol alone: a new data channel for every visitor",
  },
  {
    name: 'warren (typescript)',
    color: '#009e73',
    about: 'warren without any native code: the engine that runs everywhere',
  },
  {
    name: 'warren (addon, v1)',
    color: '#7cc9b0',
    about:
      'warren with the C++ addon, for machines without the Rust engine; it has data channels for one visitor each',
  },
  { name: 'rathole', isRival: true, color: '#d55e00', about: 'rathole as it is released' },
  {
    name: 'frp',
    isRival: true,
    color: '#cc79a7',
    about: 'frp with transport.tcpMux = false, which is its faster mode for bulk',
  },
  {
    name: 'frp (mux)',
    isRival: true,
    color: '#e6b3cf',
    about: 'frp as it is by default: all visitors share one connection',
  },
  {
    name: 'warren server, rathole client',
    color: '#e69f00',
    about: 'a warren server with a stock rathole client',
  },
  {
    name: 'rathole server, warren client',
    color: '#f0c75e',
    about: 'a stock rathole server with a warren client',
  },
  {
    name: 'splice-relay',
    color: '#a3a3a3',
    about:
      'two plain relays by splice(2) one behind the other, with no tunnel protocol: about what a tunnel could reach at best',
  },
  {
    name: 'nginx',
    color: '#b9b9b9',
    about: 'nginx (stream) as a plain relay: the established proxy, without a tunnel',
  },
  {
    name: 'haproxy',
    color: '#cfcfcf',
    about: 'haproxy in TCP mode as a plain relay: the established proxy, without a tunnel',
  },
];

/** For builds of warren that only this run knows. */
const FURTHER = ['#332288', '#117733', '#882255', '#999933'];

export function isRival({ name }: Pick<DocumentPeer, 'name'>): boolean {
  return KNOWN.some((known) => known.name === name && known.isRival === true);
}

/** `undefined` for a peer that only this run knows. */
export function aboutPeer(name: string): string | undefined {
  return KNOWN.find((known) => known.name === name)?.about;
}

export function colorOf(name: string, peers: readonly Pick<DocumentPeer, 'name'>[]): string {
  const known = KNOWN.find((peer) => peer.name === name);
  if (known !== undefined) return known.color;
  const unknown = peers.filter((peer) => KNOWN.every((each) => each.name !== peer.name));
  const place = unknown.findIndex((peer) => peer.name === name);
  return FURTHER[Math.max(0, place) % FURTHER.length] ?? '#000000';
}
