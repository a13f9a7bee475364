/** Relays of the C++ addon, with epoll and splice and with poll and copying. */
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { RunningRelay } from '../../../ts/dataplane/relay.ts';
import { ADDON, ADDON_PORTABLE } from '../../helpers/addon-binding.ts';
import { closesScenes, RelayScene } from '../../helpers/relay-scene.ts';

const BUILDS = [
  ['with epoll and splice', ADDON],
  ['with poll and copying', ADDON_PORTABLE],
] as const;

for (const [name, binding] of BUILDS) {
  if (binding === undefined) {
    it.skip(`${name}: it is not built; the reason is printed above`);
    continue;
  }
  describe(name, () => {
    closesScenes();
    const open = () => RelayScene.open(binding);

    it('aborts what runs when it is closed, and tells of its end first', async () => {
      const scene = await open();
      const ends: string[] = [];
      const done = (relay: RunningRelay) => ends.push(relay.reason);
      const relays = [await scene.relay({ done }), await scene.relay({ done })];
      await scene.thread.close();
      expect(ends).toEqual(['destroyed', 'destroyed']);
      for (const { near, far } of relays) {
        await near.gone();
        await far.gone();
        expect([near.wasReset, far.wasReset]).toEqual([true, true]);
      }
    });

    it.each([
      ['few bytes', 3],
      ['bulk', 8 << 20],
    ])('is not held up by urgent data behind %s', async (_name, length) => {
      const scene = await open();
      const far = await scene.outer();
      const sender = spawn('python3', ['-u', '-c', URGENT, `${length}`], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      const near = await scene.accepted((port) => sender.stdin.write(`${port}\n`));
      const { ended, relay } = scene.start(near, far.link);
      for (let round = 0; round < 20; round++) {
        sender.stdin.write('go\n');
        const bytes = await far.peer.read(length + 4);
        expect(bytes.toString('latin1', length - 1)).toBe('xdefg');
      }
      sender.stdin.end();
      await far.peer.fin();
      await far.peer.end();
      expect(await ended()).toBe('visitor_fin');
      expect(relay.bytesIn).toBe(20 * (length + 4));
    });
  });
}

/** Node cannot send urgent data. */
const URGENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.stdin.readline())))
for line in sys.stdin:
    s.sendall(b'x' * int(sys.argv[1]), socket.MSG_MORE)
    # In one segment with what follows.
    s.send(b'!', socket.MSG_OOB | socket.MSG_MORE)
    s.sendall(b'defg')
s.shutdown(socket.SHUT_WR)
s.recv(1)
`;
