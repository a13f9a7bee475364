/**
 * Binds TCP listeners: many accepts per wake-up, a backlog for bursts, errors after the bind
 * reported.
 */
import net from 'node:net';
import { formatAddress } from '../config/address.ts';
import type { HostPort, SocketAddress } from '../engine/spec.ts';
import { errorText, WarrenError } from '../errors.ts';

const BACKLOG = 4_096;

/** @throws WARREN_E_BIND */
export function listenTcp(
  bind: HostPort,
  acceptFailed: (address: string, error: string) => void,
): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(bindError(bind, error));
    server.once('error', onError);
    server.listen({ host: bind.host, port: bind.port, backlog: BACKLOG }, () => {
      server.off('error', onError);
      // libuv goes on accepting after EMFILE once descriptors are free again.
      server.on('error', (error) => acceptFailed(formatAddress(bind), errorText(error)));
      resolve(server);
    });
  });
}

export function bindError(bind: HostPort, cause: unknown): WarrenError {
  const message = `cannot listen on ${formatAddress(bind)}: ${errorText(cause)}`;
  return new WarrenError('WARREN_E_BIND', message, { cause });
}

export function boundAddress(server: net.Server): SocketAddress {
  const address = server.address();
  if (address === null || typeof address === 'string') return { host: '', port: 0 };
  return { host: address.address, port: address.port };
}
