/**
 * Sockets of node:net that are read through `onread`: into a buffer of ours, without an allocation for
 * each chunk.
 *
 * node:net offers `onread` for dialled sockets only. The handle of an accepted socket is therefore
 * moved into a new socket. That uses two undocumented options; tested on Node 20, 22, 24 and 26.
 */
import net from 'node:net';
import type { SocketAddress } from '../engine/spec.ts';

/** How a socket is read: where to, and what to do with so many bytes; false stops reading. */
export interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (length: number) => boolean;
}

/** The system's end of a socket. */
export interface SocketHandle {
  /** -1 or absent where descriptors have no numbers. */
  readonly fd?: number;
}

interface SocketInternals {
  _handle?: SocketHandle | null;
}

type HandleOptions = net.SocketConstructorOpts & {
  handle: SocketHandle;
  onread: OnRead;
  manualStart: true;
};

/** Undefined where this Node keeps it elsewhere. */
export function handleOf(socket: net.Socket): SocketHandle | undefined {
  return (socket as unknown as SocketInternals)._handle ?? undefined;
}

/** A new socket on the handle of one that `pauseOnConnect` has kept from reading; that one is gone. */
export function moveSocket(socket: net.Socket, handle: SocketHandle, onread: OnRead): net.Socket {
  (socket as unknown as SocketInternals)._handle = null;
  socket.destroy();
  const options: HandleOptions = { handle, allowHalfOpen: true, onread, manualStart: true };
  return new net.Socket(options);
}

export function dialSocket(
  to: SocketAddress,
  options: net.SocketConstructorOpts,
  onread: OnRead,
): net.Socket {
  return net.connect({
    ...options,
    host: to.host,
    port: to.port,
    allowHalfOpen: true,
    autoSelectFamily: false,
    // The types want a buffer argument in the callback; ours knows its buffer.
    onread: onread as unknown as net.OnReadOpts,
  });
}

/** Who is at the other end of an accepted socket. */
export function peerOf(socket: net.Socket): SocketAddress {
  return { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
}

/** The address that an accepted socket was reached at. */
export function localOf(socket: net.Socket): SocketAddress {
  return { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 };
}

/**
 * On a dual-stack listener IPv4 peers look like `::ffff:192.0.2.1`; people know them as 192.0.2.1.
 */
function plainHost(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
