/** Narrows a contract's ControlStream to the one that this engine made. */
import type { ControlStream } from '../engine/engine.ts';
import { WarrenError } from '../errors.ts';
import { TypescriptControlStream } from './control-stream.ts';

/** @throws WARREN_E_STATE for a stream of another engine. */
export function requireOwnStream(stream: ControlStream): TypescriptControlStream {
  if (stream instanceof TypescriptControlStream) return stream;
  throw new WarrenError('WARREN_E_STATE', 'this control stream belongs to another engine');
}
