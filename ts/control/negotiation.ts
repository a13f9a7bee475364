/**
 * How two warren peers agree to reuse data channels (docs/wire.md, section 1). Both ends do it on a
 * session that runs already: the engine hands up what wire v1 does not know, and is told here what
 * both can do, or the session ends with `control_data`. Towards any other peer nothing happens.
 */
import type { ControlStream } from '../engine/engine.ts';
import { WarrenError } from '../errors.ts';
import {
  ANSWER_LENGTH,
  decodeAnswer,
  decodeOffer,
  encodeAnswer,
  encodeOffer,
  FEATURE_ADDRESSES,
  OFFER_LENGTH,
  START_REUSED,
} from '../protocol/extension.ts';

/** What both ends of a session can do beyond wire v1. */
export interface Agreement {
  /** Visitors' addresses go with each use of a channel. */
  readonly addresses: boolean;
}

/** Of a client's session: wire v1, or offered and not answered yet, or agreed. */
export type Extension = Agreement | 'offered' | undefined;

/** All that we can do. */
const FEATURES = FEATURE_ADDRESSES;

/**
 * Server: takes what came on a session of ours for an offer and answers it. The stream is held
 * before and after; undefined: it has ended.
 */
export async function answerOffer(
  stream: ControlStream,
  timeoutMs: number,
): Promise<Agreement | undefined> {
  const offered = await readOffer(stream, timeoutMs);
  if (offered === undefined) {
    stream.destroy('control_data');
    return undefined;
  }
  const common = (offered & FEATURES) >>> 0;
  // Not waited for: what the engine writes comes behind it.
  stream.write(encodeAnswer(common)).catch(() => {});
  return agreementOn(common);
}

/** A peer that makes no offer shows it by its first byte, which is there: it is not waited for. */
async function readOffer(stream: ControlStream, timeoutMs: number): Promise<number | undefined> {
  const first = await readWithin(stream, 1, timeoutMs);
  if (first[0] !== START_REUSED[0]) return undefined;
  const rest = await readWithin(stream, OFFER_LENGTH - 1, timeoutMs);
  return decodeOffer(Uint8Array.of(...first, ...rest));
}

/** Client: behind the ack of a server with the mark. */
export function sendOffer(stream: ControlStream): void {
  // Not waited for: the server may have sent commands already. A stream on which it fails ends.
  stream.write(encodeOffer(FEATURES)).catch(() => {});
}

/** Client: takes what came for the answer to our offer. As `answerOffer`. */
export async function readAnswer(
  stream: ControlStream,
  timeoutMs: number,
): Promise<Agreement | undefined> {
  const answered = decodeAnswer(await readWithin(stream, ANSWER_LENGTH, timeoutMs));
  if (answered === undefined || (answered & ~FEATURES) !== 0) {
    stream.destroy('control_data');
    return undefined;
  }
  return agreementOn(answered);
}

/** `resume` of a service; a session that has ended a moment ago has nothing to resume. */
export function resumeUnlessEnded(resume: () => void): void {
  try {
    resume();
  } catch (error) {
    if (!(error instanceof WarrenError) || error.code !== 'WARREN_E_STATE') throw error;
  }
}

function agreementOn(features: number): Agreement {
  return { addresses: (features & FEATURE_ADDRESSES) !== 0 };
}

/** Nothing, if they do not come: the stream has ended then, or is to be ended. */
async function readWithin(
  stream: ControlStream,
  length: number,
  timeoutMs: number,
): Promise<Uint8Array> {
  const timer = setTimeout(() => stream.destroy('control_data'), timeoutMs);
  try {
    return await stream.read(length);
  } catch {
    return new Uint8Array(0);
  } finally {
    clearTimeout(timer);
  }
}
