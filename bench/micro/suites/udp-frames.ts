// Datagrams on a data channel: one frame written, and the frames of one chunk read.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { encodeFrame, encodeFramePrefix, UdpFrameDecoder } from '#dist/protocol/udp-frame.js';
import { bytesOf, hexOf, readVectors } from '../repository.ts';
import { inTurn, type PureSuite, type PureTask } from '../suite.ts';

interface UdpVectors {
  readonly udp: readonly {
    readonly ip: string;
    readonly port: number;
    readonly data: string;
    readonly frame: string;
  }[];
}

const VISITORS = 16;
/** Of a small question, of a usual answer, and of what fits a frame of Ethernet. */
const PAYLOAD_BYTES = [64, 512, 1400];
const FRAMES_A_CHUNK = 32;

const prefixes: [Buffer, ...Buffer[]] = [
  encodeFramePrefix('203.0.113.1', 9000),
  ...Array.from({ length: VISITORS - 1 }, (_, at) => encodeFramePrefix('203.0.113.1', 9001 + at)),
];

/** The payloads of all frames in `chunk`. */
function decode(chunk: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  const isWell = new UdpFrameDecoder().push(chunk, ({ payload }) => {
    payloads.push(Buffer.from(payload));
  });
  assert.equal(isWell, true);
  return payloads;
}

function prefixTask({ udp }: UdpVectors): PureTask {
  return {
    name: 'prefix of a visitor',
    check() {
      for (const { ip, port, data, frame } of udp) {
        assert.equal(hexOf(encodeFrame(encodeFramePrefix(ip, port), bytesOf(data))), frame);
      }
    },
    run: (index) => encodeFramePrefix('203.0.113.1', 1024 + (index % VISITORS)),
  };
}

function sizeTasks({ udp }: UdpVectors, bytes: number): PureTask[] {
  const prefix = inTurn(prefixes);
  const payloads = Array.from({ length: FRAMES_A_CHUNK }, () => randomBytes(bytes));
  const payload = inTurn(payloads as [Buffer]);
  const chunk = Buffer.concat(payloads.map((each, at) => encodeFrame(prefix(at), each)));
  const decoder = new UdpFrameDecoder();
  let seen = 0;
  const count = ({ payload: { length } }: { payload: Uint8Array }): void => {
    seen += length;
  };
  return [
    {
      name: `encode frame of ${bytes} B`,
      check() {
        const [decoded] = decode(encodeFrame(prefix(0), payload(0)));
        assert.deepEqual(decoded, payload(0));
      },
      run: (index) => encodeFrame(prefix(index), payload(index)),
    },
    {
      name: `decode ${FRAMES_A_CHUNK} frames of ${bytes} B`,
      check() {
        assert.deepEqual(decode(chunk), payloads);
        for (const { frame, data } of udp) {
          assert.deepEqual(decode(bytesOf(frame)).map(hexOf), [data]);
        }
      },
      run() {
        decoder.push(chunk, count);
        return seen;
      },
    },
  ];
}

export const UDP_FRAMES: PureSuite = {
  name: 'udp-frames',
  title: 'datagrams as frames of wire v1',
  method: 'tinybench',
  tasks() {
    const vectors = readVectors('wire-v1.json') as UdpVectors;
    return [...PAYLOAD_BYTES.flatMap((bytes) => sizeTasks(vectors, bytes)), prefixTask(vectors)];
  },
};
