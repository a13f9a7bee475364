/**
 * The handshake of a control channel, both roles (wire-v1 3.1). The engine's deadline bounds the
 * server's side of it; the client's is bounded here (W10).
 */
import { randomBytes } from 'node:crypto';
import type { ChannelMode } from '../config/config.ts';
import type { ControlStream } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
import { errorText, WarrenError } from '../errors.ts';
import {
  isMarked,
  MARKED_RANDOM_LENGTH,
  markedNonce,
  NONCE_LENGTH,
} from '../protocol/extension.ts';
import {
  ACK_BAD_TOKEN,
  ACK_LENGTH,
  ACK_OK,
  type Ack,
  AUTH_LENGTH,
  decodeAck,
  decodeHello,
  digestsEqual,
  encodeControlHello,
  HELLO_LENGTH,
  serviceDigest,
  sessionKey,
} from '../protocol/wire.ts';

export type ServerHandshake =
  | { readonly result: 'accepted'; readonly key: Uint8Array }
  | { readonly result: 'unknown_service' | 'wrong_token' };

/**
 * Server: nonce, auth, ack. `token` is undefined for a service that does not exist: the exchange is
 * the same and ends in the same ack as for a wrong token, so that names cannot be probed (W20); nor
 * does the mark tell them apart, which says that this server reuses channels. The stream is held
 * again afterwards; a refused one is being finished.
 * @throws WARREN_E_CONTROL_CLOSED
 */
export async function serverHandshake(
  stream: ControlStream,
  token: string | undefined,
  channels: ChannelMode,
): Promise<ServerHandshake> {
  const nonce =
    channels === 'reuse'
      ? markedNonce(randomBytes(MARKED_RANDOM_LENGTH))
      : randomBytes(NONCE_LENGTH);
  await stream.write(encodeControlHello(nonce));
  const auth = await stream.read(AUTH_LENGTH);
  const key = sessionKey(token ?? randomBytes(NONCE_LENGTH).toString('hex'), nonce);
  const right = digestsEqual(auth, key);
  if (token !== undefined && right) {
    // Not waited for: the session is to be taken over before the client's next move can come in. A
    // stream on which it fails ends, and the session with it.
    stream.write(ACK_OK).catch(() => {});
    return { result: 'accepted', key };
  }
  await stream.write(ACK_BAD_TOKEN);
  stream.finish('refused_auth');
  return { result: token === undefined ? 'unknown_service' : 'wrong_token' };
}

export interface ClientHandshake {
  readonly key: Uint8Array;
  /** The server reads an offer. */
  readonly isMarked: boolean;
}

/**
 * Client: hello, auth, ack; gives the session key.
 * @throws WARREN_E_REFUSED for a non-zero ack; WARREN_E_PROTOCOL for anything that is not wire v1;
 * WARREN_E_TRANSPORT when the transport ends it; WARREN_E_CONTROL_CLOSED for any other end, also when
 * `timeoutMs` passes.
 */
export async function clientHandshake(
  stream: ControlStream,
  service: string,
  token: string,
  timeoutMs: number,
): Promise<ClientHandshake> {
  const timer = setTimeout(() => stream.destroy('handshake_timeout'), timeoutMs);
  try {
    await stream.write(encodeControlHello(serviceDigest(service)));
    const hello = decodeHello(await stream.read(HELLO_LENGTH).catch(explainNoHello));
    if (hello.kind !== 'control') {
      throw new WarrenError(
        'WARREN_E_PROTOCOL',
        `the server did not answer with a v1 hello${HINT}`,
      );
    }
    const key = sessionKey(token, hello.digest);
    await stream.write(key);
    const ack = decodeAck(await stream.read(ACK_LENGTH));
    if (ack !== 'ok') throw new WarrenError(ackCode(ack), ACK_TEXT[ack]);
    return { key, isMarked: isMarked(hello.digest) };
  } catch (error) {
    throw ofTransport(error) ?? error;
  } finally {
    clearTimeout(timer);
  }
}

const HINT =
  ': is remote_addr that of a warren or rathole server, and transport.type the same there?';

/** The commonest mistake of all: another kind of server, or another transport, at that address. */
function explainNoHello(error: unknown): never {
  const { code, reason } = error as WarrenError;
  if (code !== 'WARREN_E_CONTROL_CLOSED' || ofTransport(error) !== undefined) throw error;
  const message = `${errorText(error)}, before a hello${HINT}`;
  throw new WarrenError(code, message, { cause: error, reason });
}

/** With TLS 1.3 a client hears only here that its certificate was refused. */
const TRANSPORT_ENDS: ReadonlySet<string> = new Set<EndReason>([
  'certificate_refused',
  'tls_failed',
  'bad_record',
]);

/** What a dial that fails for the same reason throws. */
function ofTransport(error: unknown): WarrenError | undefined {
  const { message, reason } = error as WarrenError;
  if (reason === undefined || !TRANSPORT_ENDS.has(reason)) return undefined;
  return new WarrenError('WARREN_E_TRANSPORT', message, { cause: error, reason });
}

const ACK_TEXT = {
  no_service: 'the server has no service of this name',
  bad_token: 'the server refused the token, or has no service of this name',
  unknown: 'the server sent an ack that wire v1 does not know',
} as const;

function ackCode(ack: Exclude<Ack, 'ok'>): 'WARREN_E_REFUSED' | 'WARREN_E_PROTOCOL' {
  return ack === 'unknown' ? 'WARREN_E_PROTOCOL' : 'WARREN_E_REFUSED';
}
