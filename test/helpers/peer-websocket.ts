/**
 * WebSocket as a test peer speaks it (RFC 6455, wire-v1 4.4): the upgrade from both sides and binary
 * frames, written from the RFC and not with the code under test.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type PeerCodec, readExactly } from './carried-socket.ts';

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A head up to its empty line: its first line, and its headers by lower-case name. */
export interface Head {
  readonly text: string;
  readonly line: string;
  readonly headers: ReadonlyMap<string, string>;
}

export async function readHead(below: Duplex): Promise<Head> {
  let text = '';
  while (!text.endsWith('\r\n\r\n')) text += (await readExactly(below, 1)).toString('latin1');
  return parseHead(text);
}

export function parseHead(text: string): Head {
  const [line = '', ...rest] = text.trimEnd().split('\r\n');
  const headers = rest.map((header): [string, string] => {
    const at = header.indexOf(':');
    return [header.slice(0, at).toLowerCase(), header.slice(at + 1).trim()];
  });
  return { text, line, headers: new Map(headers) };
}

export interface UpgradeOptions {
  readonly path?: string;
  /** Says that it is warren; without it, it is as rathole. */
  readonly isOurs?: boolean;
}

/** The request and what came back. */
export async function requestUpgrade(
  below: Duplex,
  { path = '/', isOurs = false }: UpgradeOptions = {},
): Promise<Head> {
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: tunnel.test',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    ...(isOurs ? ['X-Warren: 1'] : []),
  ];
  below.write(`${lines.join('\r\n')}\r\n\r\n`);
  const head = await readHead(below);
  if (head.headers.get('sec-websocket-accept') !== acceptOf(key)) {
    throw new Error(`not upgraded: ${head.text}`);
  }
  return head;
}

/** The request, answered. */
export async function acceptUpgrade(below: Duplex, isOurs = false): Promise<Head> {
  const request = await readHead(below);
  below.write(upgradeResponse(request, isOurs ? ['x-warren: 1'] : []));
  return request;
}

export function upgradeResponse(request: Head, more: readonly string[] = []): string {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'connection: Upgrade',
    'upgrade: websocket',
    `sec-websocket-accept: ${acceptOf(request.headers.get('sec-websocket-key') ?? '')}`,
    ...more,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

export interface FrameOptions {
  readonly opcode?: number;
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  /** What the length field says. */
  readonly length?: number;
}

export function frame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = OPCODE.binary, fin = true, masked = false, reserved = 0 } = options;
  const { length = payload.length } = options;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const flag = masked ? 0x80 : 0;
  let head: Buffer;
  if (length < 126) head = Buffer.of(first, flag | length);
  else if (length < 65_536) head = Buffer.of(first, flag | 126, length >> 8, length & 0xff);
  else {
    head = Buffer.alloc(10);
    head.set([first, flag | 127]);
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  const body = Buffer.from(payload);
  for (let at = 0; at < body.length; at++) body[at] = (body[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, mask, body]);
}

export interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly masked: boolean;
  readonly payload: Buffer;
}

export class WebsocketCodec implements PeerCodec {
  readonly #isClient: boolean;
  #held: Buffer = Buffer.alloc(0);
  /** All that came but data. */
  readonly control: Frame[] = [];

  constructor(role: 'client' | 'server') {
    this.#isClient = role === 'client';
  }

  /** A frame with our side's mask. */
  frame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
    return frame(payload, { masked: this.#isClient, ...options });
  }

  encode(payload: Uint8Array): Buffer {
    return this.frame(payload);
  }

  goodbye = (): Buffer => this.frame(Buffer.alloc(0), { opcode: OPCODE.close });

  decode(bytes: Buffer): { payloads: Buffer[]; ended: boolean } {
    this.#held = Buffer.concat([this.#held, bytes]);
    const payloads: Buffer[] = [];
    let ended = false;
    for (;;) {
      const next = this.#next();
      if (next === undefined) return { payloads, ended };
      if (next.masked === this.#isClient) throw new Error('a frame with the wrong mask');
      if (next.opcode <= OPCODE.binary) payloads.push(next.payload);
      else this.control.push(next);
      if (next.opcode === OPCODE.close) ended = true;
    }
  }

  #next(): Frame | undefined {
    const held = this.#held;
    if (held.length < 2) return undefined;
    const [first = 0, second = 0] = held;
    let length = second & 0x7f;
    let at = 2;
    if (length === 126) at = 4;
    if (length === 127) at = 10;
    if (held.length < at) return undefined;
    if (length === 126) length = held.readUInt16BE(2);
    if (length === 127) length = Number(held.readBigUInt64BE(2));
    const masked = (second & 0x80) !== 0;
    const mask = masked ? held.subarray(at, at + 4) : Buffer.alloc(4);
    if (masked) at += 4;
    if (held.length < at + length) return undefined;
    const payload = Buffer.from(held.subarray(at, at + length));
    if (masked) {
      for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
    }
    this.#held = held.subarray(at + length);
    return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, masked, payload };
  }
}
