/** Narrows a contract's ControlStream to the one that this engine made. */
import type { ClientSession, ControlStream, ServerSession } from '../engine/engine.ts';
import { WarrenError } from '../errors.ts';
import type { DataplaneContext } from './context.ts';
import { TypescriptControlStream } from './control-stream.ts';

/** @throws WARREN_E_STATE for a stream of another engine. */
export function requireOwnStream(stream: ControlStream): TypescriptControlStream {
  if (stream instanceof TypescriptControlStream) return stream;
  throw new WarrenError('WARREN_E_STATE', 'this control stream belongs to another engine');
}

/** A session that came too late, for a service that has ended: its one `ended` still comes. */
export function refuseSession(
  context: DataplaneContext,
  { control, handler }: ServerSession | ClientSession,
): void {
  control.destroy('service_closed');
  context.tellEnded(handler, 'service_closed');
}
