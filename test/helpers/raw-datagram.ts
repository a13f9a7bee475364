/**
 * UDP datagrams with any source port, also 0, which no UDP socket can send from. Needs a raw socket,
 * which Node does not have: a line of python3 opens it.
 */
import { execFile } from 'node:child_process';
import type { Address } from './peer.ts';

const SOURCE = `
import socket, struct, sys
host, source, port, payload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(struct.pack('!HHHH', source, port, 8 + len(payload), 0) + payload, (host, 0))
`;

/** Sends one; resolves with the reason where this host does not let us. */
export function sendFromPort(
  source: number,
  payload: string,
  to: Address,
): Promise<string | undefined> {
  const hex = Buffer.from(payload).toString('hex');
  const parameters = ['-c', SOURCE, to.host, String(source), String(to.port), hex];
  return new Promise((resolve) => {
    execFile('python3', parameters, (error, _stdout, stderr) => {
      if (error === null) resolve(undefined);
      else resolve(stderr.trim().split('\n').at(-1) || error.message);
    });
  });
}
