/**
 * Opens UDP sockets for both ends: 64 KiB datagrams whole, room for bursts, no name look-up per
 * send.
 */
import dgram from 'node:dgram';
import net from 'node:net';

/** Default 208 KiB drops bursts (data-plane section 7); the system caps it at its own maximum. */
const BUFFER_BYTES = 4 * 1_024 * 1_024;

/** Every send here names a literal, or nothing on a connected socket. */
function literalLookup(
  host: string,
  _options: unknown,
  callback: (error: Error | null, address: string, family: number) => void,
): void {
  callback(null, host, net.isIP(host));
}

/** `host` must be a literal; it picks the address family. */
export function openUdpSocket(host: string): dgram.Socket {
  return dgram.createSocket({
    type: net.isIPv6(host) ? 'udp6' : 'udp4',
    lookup: literalLookup as unknown as NonNullable<dgram.SocketOptions['lookup']>,
  });
}

/** Enlarges the socket's buffers once it is bound; a refusal is not an error. */
export function enlargeBuffers(socket: dgram.Socket): void {
  for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[set](BUFFER_BYTES);
    } catch {
      // The system's limit is lower and it says so instead of capping: its default stays.
    }
  }
}

/** Resolves when bound. */
export function bindUdp(socket: dgram.Socket, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', reject);
      enlargeBuffers(socket);
      resolve();
    });
  });
}
