/**
 * What engines are told of wire v1: the bytes they may send and act on by themselves. Here, and
 * nowhere else, protocol and engine meet.
 */
import type { ClientRoutine, HelloRule, ServerRoutine, ServiceType } from '../engine/spec.ts';
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

const NOTHING = new Uint8Array(0);

export const HELLO_RULE: HelloRule = {
  length: HELLO_LENGTH,
  control: CONTROL_HELLO_PREFIX,
  data: DATA_HELLO_PREFIX,
};

export function serverRoutine(type: ServiceType, heartbeatIntervalMs: number): ServerRoutine {
  return {
    create: COMMAND_CREATE,
    heartbeat: COMMAND_HEARTBEAT,
    heartbeatIntervalMs,
    start: type === 'tcp' ? START_TCP : START_UDP,
    reuse: undefined,
    goodbye: NOTHING,
  };
}

export function clientRoutine(
  type: ServiceType,
  sessionKey: Uint8Array,
  silenceTimeoutMs: number,
): ClientRoutine {
  return {
    create: COMMAND_CREATE,
    heartbeat: COMMAND_HEARTBEAT,
    silenceTimeoutMs,
    hello: encodeDataHello(sessionKey),
    start: type === 'tcp' ? START_TCP : START_UDP,
    otherStart: type === 'tcp' ? START_UDP : START_TCP,
    reuse: undefined,
    goodbye: NOTHING,
  };
}
