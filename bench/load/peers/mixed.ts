// A warren at one end and a rathole at the other: wire v1 against a stock peer. Only over the long
// way, where it shows what each end's pool does.

import type { Peer } from './peer.ts';
import { findRathole } from './rathole.ts';
import { LONG_WAY } from './transport.ts';
import { findWarren } from './warren.ts';

/** The peer, or the reason why it is not there. */
export function findMixed(name: string, warrenEnd: 'server' | 'client'): Peer | string {
  const [warren, rathole] = [findWarren('warren', { engine: 'rust' }), findRathole()];
  if (typeof warren === 'string') return warren;
  if (typeof rathole === 'string') return rathole;
  const [server, client] = warrenEnd === 'server' ? [warren, rathole] : [rathole, warren];
  const [atServer, atClient] = [server.tunnel, client.tunnel];
  if (atServer === undefined || atClient === undefined) return 'one end is no tunnel';
  return {
    name,
    version: `${server.version} and ${client.version}`,
    isWarren: false,
    transports: [LONG_WAY],
    tunnel: {
      configs: (ports, transport) => ({
        server: atServer.configs(ports, transport).server,
        client: atClient.configs(ports, transport).client,
      }),
      server: atServer.server,
      client: atClient.client,
      firstPort: 'control',
    },
  };
}
