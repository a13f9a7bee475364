import { describe, expect, it } from 'vitest';
import { CIPHERS, CipherState } from '../../../ts/dataplane/transport/noise-primitives.ts';
import { NoiseRecords } from '../../../ts/dataplane/transport/noise-records.ts';
import { opened, sealed } from '../../helpers/handshakes.ts';

const NOTHING = { ended: false, reply: undefined, fault: undefined };

describe.each(['ChaChaPoly', 'AESGCM'])('%s records', (name) => {
  const algorithm = CIPHERS[name];
  if (algorithm === undefined) throw new Error(name);
  const state = (fill: number) => new CipherState(algorithm, Buffer.alloc(32, fill));
  const pair = () => ({
    sender: new NoiseRecords(state(1), state(2)),
    receiver: new NoiseRecords(state(2), state(1)),
  });
  /** Lengths of the records in wire bytes. */
  const lengths = (wire: Buffer): number[] => {
    const found: number[] = [];
    for (let at = 0; at < wire.length; at += 2 + wire.readUInt16LE(at)) {
      found.push(wire.readUInt16LE(at));
    }
    return found;
  };

  it.each([
    [1, [17]],
    [65_519, [65_535]],
    // Evenly: a small record costs node:crypto nearly as much as a large one.
    [65_520, [32_776, 32_776]],
    [200_000, [50_016, 50_016, 50_016, 50_016]],
  ])('%i bytes become records as large as may be', (length, expected) => {
    const { sender, receiver } = pair();
    const plain = Buffer.alloc(length, 'x');
    const wire = sealed(sender, plain);
    expect(lengths(wire)).toEqual(expected);
    expect(opened(receiver, wire)).toEqual({ ...NOTHING, plain: plain.toString() });
  });

  it('records of one read are opened together, and one that is cut waits', () => {
    const { sender, receiver } = pair();
    const wire = Buffer.concat(['a', 'bc', 'def'].map((it) => sealed(sender, Buffer.from(it))));
    expect(opened(receiver, wire.subarray(0, -1)).plain).toBe('abc');
    expect(opened(receiver, wire.subarray(-1)).plain).toBe('def');
  });

  it('a record is opened whole however it is cut', () => {
    const { sender, receiver } = pair();
    const wire = sealed(sender, Buffer.from('one'));
    const plains = [...wire].map((byte) => opened(receiver, Uint8Array.of(byte)).plain);
    expect(plains.join()).toBe(`${','.repeat(wire.length - 1)}one`);
  });

  it.each([
    ['a flipped bit', (wire: Buffer) => wire.writeUInt8(wire.readUInt8(9) ^ 1, 9)],
    ['a flipped tag', (wire: Buffer) => wire.writeUInt8(wire.readUInt8(20) ^ 1, 20)],
    ['length 15', (wire: Buffer) => wire.writeUInt16LE(15)],
    ['length 0', (wire: Buffer) => wire.writeUInt16LE(0)],
  ])('W22: %s is bad_record, and what came before it is delivered', (_name, change) => {
    const { sender, receiver } = pair();
    const before = sealed(sender, Buffer.from('before'));
    const bad = sealed(sender, Buffer.from('forged'));
    change(bad);
    const found = opened(receiver, Buffer.concat([before, bad]));
    expect(found.plain).toBe('before');
    expect(found.fault?.reason).toBe('bad_record');
  });

  it('W22: a record again, or out of turn, is bad_record', () => {
    const { sender, receiver } = pair();
    const wire = sealed(sender, Buffer.from('once'));
    expect(opened(receiver, wire).plain).toBe('once');
    expect(opened(receiver, wire).fault?.reason).toBe('bad_record');
  });

  it('a length that cannot be is bad_record before its bytes come', () => {
    const { receiver } = pair();
    expect(opened(receiver, Uint8Array.of(15)).fault).toBeUndefined();
    expect(opened(receiver, Uint8Array.of(0)).fault?.reason).toBe('bad_record');
  });

  const empties = (sender: CipherState, count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, () => [
        Buffer.of(16, 0),
        ...sender.seal(Buffer.alloc(0), Buffer.alloc(0)),
      ]).flat(),
    );

  it('W22: an empty record is neither data nor an end', () => {
    const { receiver } = pair();
    expect(opened(receiver, empties(state(1), 1))).toEqual({ ...NOTHING, plain: '' });
    expect(receiver.fin()).toBeUndefined();
  });

  it('empty records are taken now and then for ever, and not in a flood', () => {
    const { receiver } = pair();
    const sender = state(1);
    for (let read = 0; read < 200; read++) {
      expect(opened(receiver, empties(sender, 1)).fault).toBeUndefined();
    }
    expect(opened(receiver, empties(sender, 32)).fault).toBeUndefined();
    expect(opened(receiver, empties(sender, 2)).fault?.reason).toBe('bad_record');
  });

  it('W5, W22: FIN is an end between records and truncated inside one, be it one byte', () => {
    const { sender, receiver } = pair();
    const wire = sealed(sender, Buffer.from('cut'));
    expect(receiver.fin()).toBeUndefined();
    for (const byte of wire.subarray(0, -1)) {
      opened(receiver, Uint8Array.of(byte));
      expect(receiver.fin()).toMatchObject({ reason: 'truncated', betweenRecords: false });
    }
    opened(receiver, wire.subarray(-1));
    expect(receiver.fin()).toBeUndefined();
  });

  it('W37: memory grows with what came, not with the length that is promised', () => {
    const before = process.memoryUsage().arrayBuffers;
    const receivers = Array.from({ length: 1_000 }, () => pair().receiver);
    for (const receiver of receivers) receiver.open(Buffer.of(255, 255, 0));
    const each = (process.memoryUsage().arrayBuffers - before) / receivers.length;
    expect(each).toBeLessThan(4_096);
    expect(receivers[0]?.fin()?.reason).toBe('truncated');
  });

  it('never makes an empty record, and ends by FIN', () => {
    const { sender } = pair();
    expect(sender.finish()).toHaveLength(0);
    expect(sender.sendsFin).toBe(true);
  });
});
