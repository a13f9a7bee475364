/** A control stream whose incoming bytes are a script, for handshakes. */
import type { ControlStream } from '../../ts/engine/engine.ts';
import type { EndReason } from '../../ts/engine/reason.ts';
import { WarrenError } from '../../ts/errors.ts';

/** Bytes, none ever, or why the stream has ended. */
type Answer = (written: readonly Uint8Array[], length: number) => Uint8Array | 'hang' | EndReason;

export class ScriptedStream implements ControlStream {
  readonly peer = { host: '127.0.0.1', port: 1 };
  readonly written: Uint8Array[] = [];
  readonly ends: string[] = [];
  readonly #answer: Answer;
  #reject: ((error: Error) => void) | undefined;

  /** `answer` gives what a read of that length gets, knowing all that was written. */
  constructor(answer: Answer) {
    this.#answer = answer;
  }

  read(length: number): Promise<Uint8Array> {
    const bytes = this.#answer(this.written, length);
    if (bytes === 'hang') {
      return new Promise((_resolve, reject) => {
        this.#reject = reject;
      });
    }
    if (typeof bytes === 'string') return Promise.reject(closed(bytes));
    if (bytes.length !== length) throw new Error(`a read of ${length}, not ${bytes.length}`);
    return Promise.resolve(bytes);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.written.push(Uint8Array.from(bytes));
    return Promise.resolve();
  }

  finish(reason: EndReason): void {
    this.ends.push(`finish ${reason}`);
  }

  destroy(reason: EndReason): void {
    this.ends.push(`destroy ${reason}`);
    this.#reject?.(closed(reason));
  }
}

function closed(reason: EndReason): WarrenError {
  return new WarrenError('WARREN_E_CONTROL_CLOSED', `scripted end: ${reason}`, { reason });
}
