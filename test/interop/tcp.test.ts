/** tcp services between warren and rathole 0.5.0, each program at each end, as real processes. */
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { Resources, until } from '../helpers/process-resources.ts';
import { type LocalTcp, startLocalTcp } from '../helpers/program-local.ts';
import { download, EchoVisitor, echoes, exchange, upload } from '../helpers/program-visitor.ts';
import { RATHOLE } from '../helpers/rathole-binary.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const LARGE = 64 * 1_048_576;
const VISITORS = 200;

const PAIRS = [
  { server: 'rathole', client: 'warren' },
  { server: 'warren', client: 'rathole' },
] as const;

describe.skipIf(RATHOLE === undefined).each(PAIRS)('$server server, $client client', (pair) => {
  const shared = new Resources();
  const resources = new Resources();
  let local: LocalTcp;
  let tunnel: Tunnel;

  beforeAll(async () => {
    local = await startLocalTcp(shared);
    tunnel = await Tunnel.open(shared, {
      ...pair,
      services: { first: { local: local.port }, second: { local: local.port } },
    });
  });
  afterEach(() => resources.close());
  afterAll(() => shared.close());

  test('carries bytes both ways unchanged', async () => {
    const text = `E${'abc\0\n'.repeat(5_000)}`;
    expect((await exchange(tunnel.port('first'), text)).toString()).toBe(text.slice(1));
  });

  test('serves several services in one process', async () => {
    expect(await echoes(tunnel.port('first'))).toBe(true);
    expect(await echoes(tunnel.port('second'))).toBe(true);
  });

  test('passes on an empty connection', async () => {
    expect(await exchange(tunnel.port('first'), 'E')).toHaveLength(0);
  });

  test("keeps the local service's answer after the visitor half-closes", async () => {
    const sent = Buffer.alloc(100_000, 'visitor');
    const digest = createHash('sha256').update(sent).digest('hex');
    const answer = await exchange(tunnel.port('first'), Buffer.concat([Buffer.from('U'), sent]));
    expect(answer.toString()).toBe(digest);
  });

  test("keeps the visitor's last bytes after the local service half-closes", async () => {
    const before = local.afterDownload.length;
    await download(tunnel.port('first'), 100_000, 'still here');
    await until('the last bytes', () => local.afterDownload.length > before);
    expect(local.afterDownload.at(-1)).toBe('still here');
  });

  test('transfers 64 MiB towards the local service', async () => {
    expect(await upload(tunnel.port('first'), LARGE)).toBe(blobDigest(LARGE));
  });

  test('transfers 64 MiB towards the visitor', async () => {
    expect(await download(tunnel.port('first'), LARGE, '')).toBe(blobDigest(LARGE));
  });

  test('serves 200 visitors at once, each with its own bytes', async () => {
    const port = tunnel.port('first');
    const visitors = await Promise.all(
      Array.from({ length: VISITORS }, () => EchoVisitor.open(resources, port)),
    );
    expect(local.sockets.size).toBeGreaterThanOrEqual(VISITORS);
    const answers = await Promise.all(
      Array.from({ length: VISITORS }, (_none, index) => {
        const tagged = `E${`<${index}>`.repeat(2_000)}`;
        return exchange(port, tagged).then((answer) => answer.toString() === tagged.slice(1));
      }),
    );
    expect(answers.filter((isRight) => !isRight)).toHaveLength(0);
    await Promise.all(visitors.map((visitor) => visitor.ping()));
    await Promise.all(visitors.map((visitor) => visitor.finish()));
    await until('the local connections to end', () => local.sockets.size === 0);
  });

  test('shows a visitor the end when the local service is down', async () => {
    await local.close();
    const outcome = await exchange(tunnel.port('first'), 'E hello').catch(
      (error: unknown) => error,
    );
    // rathole ends it with FIN, warren with RST: neither gives a byte.
    if (Buffer.isBuffer(outcome)) expect(outcome).toHaveLength(0);
    else expect(outcome).toMatchObject({ code: 'ECONNRESET' });
    local = await startLocalTcp(shared, local.port);
    expect(await echoes(tunnel.port('first'))).toBe(true);
  });
});
