/** Every transport from both sides: what an engine is told, and how a test peer speaks it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import tls from 'node:tls';
import type { TlsSpec, TransportSpec } from '../../ts/engine/spec.ts';
import { CarriedSocket } from './carried-socket.ts';
import { certificateFile, identity, keyFile, rootFile, roots } from './certificates.ts';
import type { PeerSocket } from './peer.ts';
import { newPrivateKey, noiseHandshake, publicOf } from './peer-noise.ts';
import { acceptUpgrade, requestUpgrade, WebsocketCodec } from './peer-websocket.ts';
import type { TransportName } from './transport-cases.ts';

export interface PeerTransport {
  readonly name: TransportName;
  /** For the engine that listens, and for the one that dials. */
  readonly server: TransportSpec;
  readonly client: TransportSpec;
  /** A peer's side of the handshake; what comes back carries bytes. */
  connect(raw: net.Socket): Promise<PeerSocket>;
  accept(raw: net.Socket): Promise<PeerSocket>;
}

const TCP = { nodelay: true, keepaliveMs: 20_000, keepaliveIntervalMs: 8_000 };
const PATTERN = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';
const WEBSOCKET = { path: '/', headers: [] };

/** Makes certificates and keys where they are needed. `isOurs`: websocket peers say they are warren. */
export function peerTransport(name: TransportName, isOurs = true): PeerTransport {
  switch (name) {
    case 'tcp': {
      const spec: TransportSpec = { type: 'tcp', tcp: TCP };
      const same = (raw: net.Socket): Promise<PeerSocket> => Promise.resolve(raw);
      return { name, server: spec, client: spec, connect: same, accept: same };
    }
    case 'noise':
      return noise();
    case 'tls':
      return {
        name,
        server: { type: 'tls', tcp: TCP, tls: TLS.server() },
        client: { type: 'tls', tcp: TCP, tls: TLS.client() },
        connect: TLS.connect,
        accept: TLS.accept,
      };
    default:
      return websocket(name, isOurs);
  }
}

function noise(): PeerTransport {
  const [server, client] = [newPrivateKey(), newPrivateKey()];
  const remotePublicKey = publicOf(server);
  const spec = (localPrivateKey: Buffer, remote: Buffer | undefined): TransportSpec => ({
    type: 'noise',
    tcp: TCP,
    noise: { pattern: PATTERN, localPrivateKey, remotePublicKey: remote },
  });
  const keys = { pattern: PATTERN, remotePublicKey };
  return {
    name: 'noise',
    server: spec(server, undefined),
    client: spec(client, remotePublicKey),
    connect: async (raw) =>
      new CarriedSocket(
        raw,
        await noiseHandshake(raw, { ...keys, localPrivateKey: client }, 'client'),
      ),
    accept: async (raw) =>
      new CarriedSocket(
        raw,
        await noiseHandshake(raw, { ...keys, localPrivateKey: server }, 'server'),
      ),
  };
}

function websocket(name: 'websocket' | 'websocket+tls', isOurs: boolean): PeerTransport {
  const isTls = name === 'websocket+tls';
  const spec = (tlsSpec: () => TlsSpec): TransportSpec => ({
    type: 'websocket',
    tcp: TCP,
    websocket: WEBSOCKET,
    tls: isTls ? tlsSpec() : undefined,
  });
  return {
    name,
    server: spec(TLS.server),
    client: spec(TLS.client),
    connect: async (raw) => {
      const below = isTls ? await TLS.connect(raw) : raw;
      await requestUpgrade(below, { isOurs });
      return new CarriedSocket(below, new WebsocketCodec('client'));
    },
    accept: async (raw) => {
      const below = isTls ? await TLS.accept(raw) : raw;
      await acceptUpgrade(below, isOurs);
      return new CarriedSocket(below, new WebsocketCodec('server'));
    },
  };
}

const TLS = {
  server: (): TlsSpec => ({ identities: [identity('ecdsa')], roots: [], hostname: '' }),
  client: (): TlsSpec => ({ identities: [], roots: roots(), hostname: 'localhost' }),
  connect: async (raw: net.Socket): Promise<tls.TLSSocket> => {
    const ca = readFileSync(rootFile());
    const socket = tls.connect({ socket: raw, ca, servername: 'localhost' });
    await once(socket, 'secureConnect');
    return socket;
  },
  accept: async (raw: net.Socket): Promise<tls.TLSSocket> => {
    const cert = readFileSync(certificateFile('ecdsa'));
    const secureContext = tls.createSecureContext({ cert, key: readFileSync(keyFile('ecdsa')) });
    const socket = new tls.TLSSocket(raw, { isServer: true, secureContext });
    // Without a tls.Server, node:tls tells of a broken record by this event alone.
    socket.on('_tlsError', (error: Error) => socket.destroy(error));
    await once(socket, 'secure');
    return socket;
  },
};
