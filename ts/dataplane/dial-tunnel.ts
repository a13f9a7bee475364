/**
 * Dials a server for a tunnel connection: TCP, to it or to its proxy, then every handshake of the
 * transport, all within one deadline.
 */
import { formatAddress } from '../config/address.ts';
import type { DialSpec, SocketAddress } from '../engine/spec.ts';
import { errorText, WarrenError } from '../errors.ts';
import { dialTcp } from './dial.ts';
import type { Link } from './link.ts';
import type { OpenLinks } from './open-links.ts';
import { RefusedError } from './transport/codec.ts';
import { dialTransport } from './transport.ts';

export interface TunnelDialOptions {
  /** Where the connection is counted. */
  readonly links: OpenLinks;
  readonly timeoutMs: number;
  readonly nodelay: boolean;
  /** Tried before the addresses of the name: of the server, or of its proxy. */
  readonly first?: SocketAddress | undefined;
}

/**
 * Resolves with a paused link.
 * @throws WARREN_E_CONNECT, WARREN_E_TRANSPORT with its reason, WARREN_E_ABORTED when the signal
 * fires; nothing is left behind then.
 */
export async function dialTunnel(
  spec: DialSpec,
  options: TunnelDialOptions,
  signal: AbortSignal,
): Promise<Link> {
  const { remote, preferIpv6, transport, proxy } = spec;
  const { links, timeoutMs, nodelay, first } = options;
  const giveUpAt = performance.now() + timeoutMs;
  const { keepaliveMs } = transport.tcp;
  const link = await dialTcp(
    proxy?.address ?? remote,
    { links, timeoutMs, preferIpv6, nodelay, keepaliveMs, first },
    signal,
  );
  if (transport.type === 'tcp' && proxy === undefined) return link;

  const abort = new AbortController();
  const onAbort = (): void =>
    abort.abort(new WarrenError('WARREN_E_ABORTED', 'dialling was cancelled'));
  const timer = setTimeout(
    () => {
      const text = `the handshake was not complete within ${timeoutMs} ms`;
      abort.abort(new RefusedError('handshake_timeout', text));
    },
    Math.max(0, giveUpAt - performance.now()),
  );
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await dialTransport(links, link, spec, abort.signal);
  } catch (error) {
    // What was refused has its last words on their way.
    if (!(error instanceof RefusedError)) link.destroy();
    throw dialError(spec, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function dialError({ remote }: DialSpec, error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  const reason = error instanceof RefusedError ? error.reason : 'internal_error';
  const message = `cannot connect to ${formatAddress(remote)}: ${errorText(error)}`;
  return new WarrenError('WARREN_E_TRANSPORT', message, { cause: error, reason });
}
