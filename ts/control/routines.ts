/**
 * What engines are told of the wire: the bytes they may send and act on by themselves. Here, and
 * nowhere else, protocol and engine meet.
 */
import type {
  ClientRoutine,
  HelloRule,
  ReuseRules,
  ServerRoutine,
  ServiceType,
} from '../engine/spec.ts';
import {
  encodeDrainFrame,
  HEARTBEAT_FRAME,
  REUSE_FRAMES,
  START_REUSED,
} from '../protocol/extension.ts';
import {
  COMMAND_CREATE,
  COMMAND_HEARTBEAT,
  CONTROL_HELLO_PREFIX,
  DATA_HELLO_PREFIX,
  encodeDataHello,
  HELLO_LENGTH,
  START_TCP,
  START_UDP,
} from '../protocol/wire.ts';
import type { Agreement, Extension } from './negotiation.ts';

const NOTHING = new Uint8Array(0);

/** Visitors of a service that is removed finish in their own time. */
const UNBOUNDED = Number.POSITIVE_INFINITY;

export const HELLO_RULE: HelloRule = {
  length: HELLO_LENGTH,
  control: CONTROL_HELLO_PREFIX,
  data: DATA_HELLO_PREFIX,
};

export interface ServerRoutineOptions {
  readonly type: ServiceType;
  readonly heartbeatIntervalMs: number;
  /** Undefined: the session is one of wire v1. */
  readonly agreement?: Agreement | undefined;
  /** How long visitors may finish when the session is ended from here. */
  readonly drainMs?: number | undefined;
}

export function serverRoutine(options: ServerRoutineOptions): ServerRoutine {
  const { type, heartbeatIntervalMs, agreement, drainMs = UNBOUNDED } = options;
  return {
    create: COMMAND_CREATE,
    heartbeat: agreement === undefined ? COMMAND_HEARTBEAT : HEARTBEAT_FRAME,
    heartbeatIntervalMs,
    start: type === 'tcp' ? START_TCP : START_UDP,
    reuse: reuseRules(type, agreement),
    goodbye: agreement === undefined ? NOTHING : encodeDrainFrame(drainMs),
  };
}

export interface ClientRoutineOptions {
  readonly type: ServiceType;
  readonly sessionKey: Uint8Array;
  readonly silenceTimeoutMs: number;
  readonly extension?: Extension;
  /** As `ServerRoutineOptions`. */
  readonly drainMs?: number | undefined;
}

export function clientRoutine(options: ClientRoutineOptions): ClientRoutine {
  const { type, sessionKey, silenceTimeoutMs, extension, drainMs = UNBOUNDED } = options;
  return {
    create: COMMAND_CREATE,
    heartbeat: COMMAND_HEARTBEAT,
    silenceTimeoutMs,
    hello: encodeDataHello(sessionKey),
    start: type === 'tcp' ? START_TCP : START_UDP,
    otherStart: type === 'tcp' ? START_UDP : START_TCP,
    reuse: reuseRules(type, extension),
    goodbye: typeof extension === 'object' ? encodeDrainFrame(drainMs) : NOTHING,
  };
}

/** A channel may be put to use before the answer has come: with all that was offered. */
function reuseRules(type: ServiceType, extension: Extension): ReuseRules | undefined {
  if (extension === undefined) return undefined;
  const start = type === 'tcp' ? START_REUSED : NOTHING;
  if (extension === 'offered') return { start, addresses: true, frames: undefined };
  return { start, addresses: extension.addresses, frames: REUSE_FRAMES };
}
