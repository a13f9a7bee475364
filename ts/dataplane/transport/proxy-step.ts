/** How the handshake with a proxy ends, whichever protocol it speaks. */
import { formatAddress } from '../../config/address.ts';
import type { ProxySpec } from '../../engine/spec.ts';
import { RefusedError, type Step } from './codec.ts';
import { PlainBytes } from './plain.ts';

/** The proxy has connected us; `used` bytes of what `came` were its own. */
export function proxyDone(came: Buffer, used: number): Step {
  const codec = used === came.length ? undefined : new PlainBytes();
  return { state: 'done', used, out: [], codec };
}

export function proxyRefused(proxy: ProxySpec, text: string): Step {
  const who = `the ${proxy.type} proxy ${formatAddress(proxy.address)}`;
  return { state: 'refused', out: [], error: new RefusedError('proxy_refused', `${who} ${text}`) };
}
