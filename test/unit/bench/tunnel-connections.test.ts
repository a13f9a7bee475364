import { describe, expect, it } from 'vitest';
import { countConnections } from '../../../bench/leak/tunnel-connections.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

/** A line of /proc/net/tcp between two ports of loopback. */
function line(local: number, remote: number, state: string, inode: number): string {
  const [from, to] = [local, remote].map((port) =>
    port.toString(16).toUpperCase().padStart(4, '0'),
  );
  return `   0: 0100007F:${from} 0100007F:${to} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 20 4 30 10 -1`;
}

describe('connections of a tunnel', () => {
  it('are those that a process holds at either end', () => {
    const table = [
      HEAD,
      line(80, 0, '0A', 1),
      line(80, 40_000, '01', 2),
      line(40_000, 80, '01', 3),
      line(80, 40_001, '08', 4),
      line(40_002, 80, '06', 0),
      line(81, 40_003, '01', 5),
      '',
    ].join('\n');
    expect(countConnections(table, 80)).toEqual({ server: 2, client: 1 });
    expect(countConnections(table, 8)).toEqual({ server: 0, client: 0 });
  });
});
