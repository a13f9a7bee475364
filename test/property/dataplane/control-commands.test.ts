import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clientRoutine } from '../../../ts/control/routines.ts';
import { RunningClientSession } from '../../../ts/dataplane/client-session.ts';
import { DataplaneContext } from '../../../ts/dataplane/context.ts';
import { TypescriptControlStream } from '../../../ts/dataplane/control-stream.ts';
import { EventBatch } from '../../../ts/dataplane/event-batch.ts';
import { DEFAULT_LIMITS } from '../../../ts/limits.ts';
import { COMMAND_CREATE, COMMAND_HEARTBEAT } from '../../../ts/protocol/wire.ts';
import { FakeLink } from '../../helpers/fake-link.ts';

it('every create command opens one channel, wherever the stream of commands is cut', () => {
  const commands = fc.array(fc.boolean(), { maxLength: 60 });
  const cuts = fc.array(fc.nat(), { maxLength: 30 });
  fc.assert(
    fc.property(commands, cuts, fc.nat(), (creates, places, behindAck) => {
      const stream = Buffer.concat(
        creates.map((create) => (create ? COMMAND_CREATE : COMMAND_HEARTBEAT)),
      );
      // Some of it was read in one go with the ack.
      const early = behindAck % (stream.length + 1);
      const link = new FakeLink();
      const control = new TypescriptControlStream(link, {
        lingerMs: 1,
        unread: stream.subarray(0, early),
        settled: () => undefined,
        ended: () => undefined,
      });
      let opened = 0;
      new RunningClientSession(
        new DataplaneContext(DEFAULT_LIMITS, false, new EventBatch(undefined)),
        {
          control,
          dial: {
            remote: link.peer,
            preferIpv6: false,
            transport: {
              type: 'tcp',
              tcp: { nodelay: true, keepaliveMs: 0, keepaliveIntervalMs: 0 },
            },
            proxy: undefined,
          },
          routine: clientRoutine({
            type: 'tcp',
            sessionKey: new Uint8Array(32),
            silenceTimeoutMs: 0,
          }),
          handler: {
            surplus: () => {
              throw new Error('there is no surplus');
            },
            ended: () => undefined,
          },
        },
        {
          create: (count) => {
            opened += count;
          },
          ended: () => undefined,
        },
      );
      const rest = stream.subarray(early);
      const at = places.map((place) => place % (rest.length + 1)).sort((a, b) => a - b);
      [0, ...at].forEach((from, index) => {
        const chunk = rest.subarray(from, at[index] ?? rest.length);
        if (chunk.length > 0) link.peerSends(chunk);
      });
      expect(opened).toBe(creates.filter(Boolean).length);
    }),
  );
});
