import { describe, expect, it } from 'vitest';
import { OpenLinks } from '../../../ts/dataplane/open-links.ts';
import type { Handshake, Step } from '../../../ts/dataplane/transport/codec.ts';
import { proxyHandshake } from '../../../ts/dataplane/transport/proxy.ts';
import { shake } from '../../../ts/dataplane/transport/shake.ts';
import type { HostPort, ProxySpec } from '../../../ts/engine/spec.ts';
import { FakeLink } from '../../helpers/fake-link.ts';
import { told } from '../../helpers/tls-scene.ts';
import { turn, until } from '../../helpers/until.ts';

const SERVER = { host: 'server.test', port: 2_333 };
const WHO = { username: 'jo', password: 'sécret' };

function proxy(type: ProxySpec['type'], credentials?: ProxySpec['credentials']): ProxySpec {
  return { type, address: { host: '192.0.2.9', port: 3_128 }, credentials };
}

/** A handshake and what a proxy says to it, however it is cut. */
class Dialogue {
  readonly #handshake: Handshake;
  /** What it has sent since it was last asked. */
  sent: Buffer;
  step: Step;
  #came = Buffer.alloc(0);

  constructor(spec: ProxySpec, remote: HostPort = SERVER) {
    this.#handshake = proxyHandshake(spec, remote);
    this.step = this.#handshake.advance(this.#came);
    this.sent = Buffer.concat(this.step.out);
  }

  /** The proxy answers, byte by byte. */
  answer(...parts: (string | Buffer)[]): this {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
    this.sent = Buffer.alloc(0);
    for (const byte of bytes) {
      this.#came = Buffer.concat([this.#came, Buffer.of(byte)]);
      this.step = this.#handshake.advance(this.#came);
      this.sent = Buffer.concat([this.sent, ...this.step.out]);
      if (this.step.state !== 'wait') return this;
      this.#came = this.#came.subarray(this.step.used);
    }
    return this;
  }

  /** All at once: what was used of it. */
  answerAtOnce(bytes: Buffer): Step {
    return this.#handshake.advance(Buffer.concat([this.#came, bytes]));
  }

  get refusal(): string {
    if (this.step.state !== 'refused') throw new Error(`it is ${this.step.state}`);
    expect(this.step.error.reason).toBe('proxy_refused');
    return this.step.error.message;
  }
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('http proxy', () => {
  it('is asked for the server by name', () => {
    const { sent } = new Dialogue(proxy('http'));
    expect(sent.toString('latin1')).toBe(
      'CONNECT server.test:2333 HTTP/1.1\r\nHost: server.test:2333\r\n\r\n',
    );
  });

  it('is told an IPv6 literal in brackets', () => {
    const { sent } = new Dialogue(proxy('http'), { host: '2001:db8::1', port: 443 });
    expect(sent.toString('latin1')).toMatch(/^CONNECT \[2001:db8::1\]:443 HTTP\/1\.1\r\n/);
  });

  it.each(['bücher.example', 'a\r\nX-B: c'])(
    'is told no name that no head may have: %j',
    (host) => {
      const dialogue = new Dialogue(proxy('http'), { host, port: 80 });
      expect(dialogue.refusal).toContain('a name with such characters');
      expect(dialogue.sent).toHaveLength(0);
    },
  );

  it('is told user name and password as UTF-8 in Base64', () => {
    const { sent } = new Dialogue(proxy('http', WHO));
    const [, basic = ''] = /Proxy-Authorization: Basic (\S+)\r\n\r\n$/.exec(sent.toString()) ?? [];
    expect(Buffer.from(basic, 'base64').toString('utf8')).toBe('jo:sécret');
  });

  it.each(['200 Connection established', '204 x', '299', '200 '])(
    'has connected us: %s',
    (status) => {
      const dialogue = new Dialogue(proxy('http')).answer(`HTTP/1.1 ${status}\r\nVia: x\r\n\r\n`);
      expect(dialogue.step).toMatchObject({ state: 'done', codec: undefined });
    },
  );

  it.each<[string, string, ProxySpec['credentials'], RegExp]>([
    ['wants credentials', '407 Proxy Authentication Required', undefined, /wants a user name and/],
    ['wants others', '407 Nope', WHO, /did not accept the user name or the password \(407 Nope\)$/],
    ['cannot', '502 Bad Gateway', undefined, /refused to connect to server\.test:2333: 502 Bad G/],
    ['moves', '302 Found', undefined, /302 Found$/],
    ['is early', '101 Switching Protocols', undefined, /101 Switching/],
  ])('%s: proxy_refused', (_what, status, credentials, text) => {
    const dialogue = new Dialogue(proxy('http', credentials)).answer(`HTTP/1.1 ${status}\r\n\r\n`);
    expect(dialogue.refusal).toMatch(text);
    expect(dialogue.refusal).toMatch(/^the http proxy 192\.0\.2\.9:3128 /);
    expect(dialogue.refusal).not.toContain(WHO.password);
  });

  it.each(['SSH-2.0-x\r\n\r\n', 'HTTP/2 200\r\n\r\n', 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n'])(
    'does not speak HTTP/1.1: %j',
    (bytes) => {
      expect(new Dialogue(proxy('http')).answer(bytes).refusal).toMatch(
        /not answer in HTTP\/1\.1$/,
      );
    },
  );

  it('may use 4096 bytes for its head and no more', () => {
    const head = (length: number): Buffer => {
      const [start, end] = ['HTTP/1.1 200 OK\r\nx: ', '\r\n\r\n'];
      return Buffer.from(start + 'y'.repeat(length - start.length - end.length) + end);
    };
    expect(new Dialogue(proxy('http')).answerAtOnce(head(4_096)).state).toBe('done');
    expect(new Dialogue(proxy('http')).answer(head(4_097)).refusal).toMatch(/more than 4096 bytes/);
    const endless = new Dialogue(proxy('http')).answerAtOnce(Buffer.alloc(4_096, 'x'));
    expect(endless.state).toBe('refused');
  });
});

describe('socks5 proxy', () => {
  it('is asked for the server by name', () => {
    const dialogue = new Dialogue(proxy('socks5'));
    expect(dialogue.sent).toEqual(hex('05 01 00'));
    dialogue.answer(hex('05 00'));
    const name = Buffer.from(SERVER.host).toString('hex');
    expect(dialogue.sent).toEqual(hex(`05 01 00 03 0b ${name} 091d`));
    dialogue.answer(hex('05 00 00 01 7f000001 1234'));
    expect(dialogue.step).toMatchObject({ state: 'done', used: 10, codec: undefined });
  });

  it.each([
    ['192.0.2.1', '01 c0000201'],
    ['2001:db8::1', '04 20010db8000000000000000000000001'],
    ['::ffff:192.0.2.1', '04 00000000000000000000ffffc0000201'],
  ])('is told %s as an address', (host, bytes) => {
    const dialogue = new Dialogue(proxy('socks5'), { host, port: 443 }).answer(hex('05 00'));
    expect(dialogue.sent).toEqual(hex(`05 01 00 ${bytes} 01bb`));
  });

  it('is told user name and password when it wants them', () => {
    const dialogue = new Dialogue(proxy('socks5', WHO));
    expect(dialogue.sent).toEqual(hex('05 02 00 02'));
    dialogue.answer(hex('05 02'));
    const password = Buffer.from(WHO.password).toString('hex');
    expect(dialogue.sent).toEqual(hex(`01 02 6a6f 07 ${password}`));
    dialogue.answer(hex('01 00'));
    expect(dialogue.sent.subarray(0, 4)).toEqual(hex('05 01 00 03'));
  });

  it('may do without them', () => {
    const dialogue = new Dialogue(proxy('socks5', WHO)).answer(hex('05 00'));
    expect(dialogue.sent.subarray(0, 4)).toEqual(hex('05 01 00 03'));
  });

  it.each([
    ['01', 4],
    ['03', 1 + 5],
    ['04', 16],
  ])('may name any address it is bound to: type %s', (type, length) => {
    const address = type === '03' ? '05 6162636465' : '00'.repeat(length);
    const dialogue = new Dialogue(proxy('socks5')).answer(hex('05 00'));
    dialogue.answer(hex(`05 00 00 ${type} ${address} 0000`));
    expect(dialogue.step).toMatchObject({ state: 'done', used: 6 + length });
  });

  it.each<[string, string, ProxySpec['credentials'], RegExp]>([
    ['wants to know who we are', '05 ff', undefined, /needs a user name and a password$/],
    ['wants another way', '05 ff', WHO, /accepts neither a password nor a client without one$/],
    ['chooses what was not offered', '05 02', undefined, /method that was not offered: 2$/],
    ['chooses GSSAPI', '05 01', WHO, /method that was not offered: 1$/],
    ['speaks SOCKS 4', '00 5a', undefined, /did not answer in SOCKS 5$/],
    ['speaks HTTP', '48 54', undefined, /did not answer in SOCKS 5$/],
    ['does not accept them', '05 02 | 01 01', WHO, /did not accept the user name or the password$/],
    ['refuses', '05 00 | 05 05 00', undefined, /to server\.test:2333: connection refused$/],
    ['fails', '05 00 | 05 01 00', undefined, /general failure$/],
    ['forbids', '05 00 | 05 02 00', undefined, /not allowed by its rules$/],
    ['finds no host', '05 00 | 05 04 00', undefined, /host unreachable$/],
    ['says what nobody knows', '05 00 | 05 63 00', undefined, /reply 99$/],
    ['names an odd address', '05 00 | 05 00 00 09 00', undefined, /unknown kind of address$/],
    ['changes its mind', '05 00 | 04', undefined, /did not answer in SOCKS 5$/],
  ])('%s: proxy_refused', (_what, answers, credentials, text) => {
    const dialogue = new Dialogue(proxy('socks5', credentials));
    for (const answer of answers.split('|')) dialogue.answer(hex(answer));
    expect(dialogue.refusal).toMatch(text);
    expect(dialogue.refusal).toMatch(/^the socks5 proxy 192\.0\.2\.9:3128 /);
  });

  it.each<[string, ProxySpec['credentials'], string]>([
    ['the user name', { username: 'é'.repeat(128), password: '' }, SERVER.host],
    ['the password', { username: 'jo', password: 'x'.repeat(256) }, SERVER.host],
    ["the server's name", undefined, 'x'.repeat(256)],
  ])('cannot be told %s of more than 255 bytes', (what, credentials, host) => {
    const { refusal, sent } = new Dialogue(proxy('socks5', credentials), { host, port: 1 });
    expect(refusal).toContain(`cannot be told ${what}: it has more than 255 bytes`);
    expect(sent.length).toBe(0);
  });
});

describe.each<[ProxySpec['type'], Buffer[]]>([
  ['http', [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')]],
  ['socks5', [hex('05 00'), hex('05 00 00 01 00000000 0000')]],
])('behind a %s proxy', (type, answers) => {
  it('no byte is lost, and plain bytes go on both ways', async () => {
    const inner = new FakeLink();
    const links = new OpenLinks(() => undefined);
    const shaking = shake(links, inner, proxyHandshake(proxy(type), SERVER));
    for (const [index, answer] of answers.entries()) {
      await until(() => inner.reading, 'that it reads');
      inner.reading = false;
      const isLast = index === answers.length - 1;
      inner.peerSends(isLast ? Buffer.concat([answer, Buffer.from('early')]) : answer);
      await turn();
    }
    const link = await shaking;
    const sink = told(link);
    await until(() => sink.bytes.toString() === 'early', 'what was behind the answer');
    inner.peerSends(Buffer.from(' and late'));
    expect(sink.bytes.toString()).toBe('early and late');
    const before = inner.bytes.length;
    link.write(Buffer.from('out'));
    expect(inner.bytes.subarray(before).toString()).toBe('out');
  });
});
