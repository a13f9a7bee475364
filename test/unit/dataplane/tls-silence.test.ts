/** Records of TLS that carry nothing: a peer may send some, and no flood of them. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { rootFile } from '../../helpers/certificates.ts';
import { serverSpec, TlsScene, told } from '../../helpers/tls-scene.ts';
import { TLS13_CIPHER, Tls13Records } from '../../helpers/tls13-records.ts';
import { until } from '../../helpers/until.ts';

describe('records that carry nothing', () => {
  let scene = new TlsScene();
  afterEach(async () => {
    await scene.end();
    expect(scene.faults).toEqual([]);
    scene = new TlsScene();
  });

  /** Our server's link, and a client that writes records of its own. */
  async function pair() {
    const { address, next } = await scene.ourServer(serverSpec('ecdsa'));
    const raw = scene.keep(net.connect(address));
    await once(raw, 'connect');
    const peer = scene.keep(
      tls.connect({
        socket: raw,
        ca: readFileSync(rootFile()),
        servername: 'localhost',
        minVersion: 'TLSv1.3',
        ciphers: TLS13_CIPHER,
      }),
    );
    const records = await Tls13Records.of(peer);
    return { link: await next(), raw, records };
  }

  const FORMS: [string, (records: Tls13Records) => Buffer][] = [
    ['new keys', (records) => records.keyUpdate()],
    ['empty records', (records) => records.data('')],
  ];

  const times = (count: number, make: () => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, make));

  it.each(FORMS)('%s are taken, and more than 32 of them are bad_record', async (_name, make) => {
    const { link, raw, records } = await pair();
    const sink = told(link);
    raw.write(Buffer.concat([times(32, () => make(records)), records.data('one')]));
    await until(() => sink.bytes.toString() === 'one', 'what is behind a few');
    raw.write(Buffer.concat([times(40, () => make(records)), records.data('two')]));
    await until(() => sink.closedWith, 'its end');
    expect(sink.closedWith?.[0]).toMatchObject({
      reason: 'bad_record',
      message: expect.stringContaining('carry nothing'),
    });
    expect(sink.bytes.toString()).toBe('one');
  });

  it.each(FORMS)('%s now and then are taken for ever', async (_name, make) => {
    const { link, raw, records } = await pair();
    const sink = told(link);
    for (let round = 1; round <= 100; round++) {
      raw.write(Buffer.concat([make(records), records.data('x')]));
      await until(() => sink.length === round, 'the round');
    }
    expect(sink.closedWith).toBeUndefined();
  });

  it('small records in any number are none of them, also while nobody takes them', async () => {
    const { link, raw, records } = await pair();
    const sink = told(link);
    sink.takes = false;
    raw.write(times(5_000, () => records.data('x')));
    await until(() => sink.length > 0, 'the first');
    sink.takes = true;
    link.resume();
    await until(() => sink.length === 5_000, 'all');
    expect(sink.closedWith).toBeUndefined();
  });
});
