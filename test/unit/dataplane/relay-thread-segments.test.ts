/** Relays of the C++ addon and what segments are made of: python3 does what Node cannot. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { findProgram } from '../../helpers/programs.ts';
import { describeBuilds } from '../../helpers/relay-scene.ts';

const HAS_PYTHON = findProgram('python3') !== undefined;
const HAS_TCP_INFO = process.platform === 'linux';

describe.skipIf(!HAS_PYTHON)('segments', () => {
  describeBuilds(({ open }) => {
    it.skipIf(!HAS_TCP_INFO)(
      'begins with one segment: what it was given and what is at hand',
      async () => {
        const scene = await open();
        const { peer, link } = await scene.outer();
        const reader = python(SEGMENTS);
        const far = await scene.accepted((port) => reader.stdin.write(`${port}\n`));
        await peer.write('visitor');
        scene.start(link, far, { unwritten: [Buffer.from('start ')] });
        // Python may write a line in pieces.
        const [said] = await once(createInterface(reader.stdout), 'line');
        expect(said).toBe('start visitor 1');
        reader.stdin.end();
      },
    );

    it.each([
      ['few bytes', 3],
      ['bulk', 8 << 20],
    ])('is not held up by urgent data behind %s', async (_name, length) => {
      const scene = await open();
      const far = await scene.outer();
      const sender = python(URGENT, `${length}`);
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
});

function python(program: string, ...args: string[]) {
  return spawn('python3', ['-u', '-c', program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** How many segments brought the first bytes, from `struct tcp_info`: Node does not tell. */
const SEGMENTS = `
import socket, struct, sys
s = socket.create_connection(('127.0.0.1', int(sys.stdin.readline())))
got = s.recv(13, socket.MSG_WAITALL).decode()
info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
print(got, struct.unpack_from('I', info, 152)[0])
sys.stdin.readline()
`;

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
