/** A name to one address, where only one can be used: a bind, a UDP peer. */
import { lookup } from 'node:dns/promises';
import net from 'node:net';

/** A literal is itself. Rejects with the resolver's error. */
export async function resolveFirst(host: string, preferIpv6: boolean): Promise<string> {
  if (net.isIP(host) > 0) return host;
  const answers = await lookup(host, { all: true, verbatim: true });
  const best = preferIpv6 ? answers.find(({ family }) => family === 6) : undefined;
  const address = (best ?? answers[0])?.address;
  if (address === undefined) throw new Error(`${host} has no address`);
  return address;
}
