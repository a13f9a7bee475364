/** Says when a tunnel can be read and used by whoever is on the way (W19). */
import { formatAddress, isLoopback } from '../config/address.ts';
import type { HostPort, TransportConfig } from '../config/config.ts';
import type { Logger } from '../log.ts';

/**
 * One line for a transport that does not encrypt, towards an address beyond this machine; none
 * where `before` was one, too.
 */
export function warnOfClearTransport(
  log: Logger,
  address: HostPort,
  transport: TransportConfig,
  before?: TransportConfig,
): void {
  if (isLoopback(address.host) || !isClear(transport)) return;
  if (before !== undefined && isClear(before)) return;
  log.warn(
    {
      transport: transport.type,
      address: formatAddress(address),
      hint: 'use transport.type = "noise" or "tls" unless something else encrypts the way',
    },
    'the tunnel is not encrypted: whoever is on the way can read it and use its session keys',
  );
}

function isClear({ type, tls }: TransportConfig): boolean {
  return type === 'tcp' || (type === 'websocket' && tls === undefined);
}
