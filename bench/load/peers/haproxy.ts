// HAProxy in TCP mode as a plain relay, splicing where it finds that worth it.

import { readDescriptorLimit } from '../machine/memory.ts';
import type { Peer } from './peer.ts';
import { type Leg, plainHops } from './plain-hops.ts';
import { findDaemon, notFound, outputOf } from './program.ts';

/** The connections of the largest row, and some to spare. */
const CONNECTIONS = 10_240;
/** As many as the largest bulk has streams. By default there are so many that no room is left. */
const PIPES = 64;
/** It does not start where two for each connection and each pipe, and its own, are too many. */
const OWN_DESCRIPTORS = 50;

export function findHaproxy(): Peer | string {
  const file = findDaemon('haproxy', 'WARREN_HAPROXY');
  if (file === undefined) {
    return notFound(
      ['WARREN_HAPROXY'],
      'set WARREN_HAPROXY to the haproxy binary or put it on PATH (on Debian: apt install haproxy)',
    );
  }
  return plainHops({
    name: 'haproxy',
    version: /version (\d[^\s-]*)/i.exec(outputOf(file, '-v'))?.[1] ?? 'unknown',
    config: haproxyConfig,
    // In the foreground and in one process: its CPU time and memory are those of the hop.
    command: (config) => ({ file, args: ['-db', '-f', config] }),
  });
}

export function haproxyConfig(legs: readonly Leg[]): string {
  const room = Math.floor((readDescriptorLimit() - OWN_DESCRIPTORS) / 2) - PIPES;
  const listeners = legs.map(
    ({ name, listen, connect }) => `listen ${name}
  bind ${listen}
  server next ${connect}
`,
  );
  return `global
  maxconn ${Math.min(CONNECTIONS, room)}
  maxpipes ${PIPES}
  nbthread 2
defaults
  mode tcp
  option splice-auto
  timeout connect 10s
  timeout client 10m
  timeout server 10m
${listeners.join('')}`;
}
