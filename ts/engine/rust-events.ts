/**
 * Hands events up: batches of the native engine as they come, and faults of its JavaScript side. An
 * event sink that throws is told of it with the next batch.
 */
import { EventBatch } from '../dataplane/event-batch.ts';
import { errorText } from '../errors.ts';
import type { EngineEvent, EventSink } from './events.ts';

export class RustEvents {
  readonly #sink: EventSink | undefined;
  readonly #faults: EventBatch;

  constructor(sink: EventSink | undefined) {
    this.#sink = sink;
    this.#faults = new EventBatch(sink);
  }

  /** A batch of the native engine. */
  give(batch: readonly EngineEvent[]): void {
    try {
      this.#sink?.(batch);
    } catch (error) {
      // Not again and again when the batch that tells of it fails as well.
      if (!batch.every((event) => event.type === 'fault')) this.fault('event sink', error);
    }
  }

  /** A fault of ours: told, never thrown on. */
  fault(where: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#faults.push({ type: 'fault', where, error: errorText(error), stack });
  }

  flush(): void {
    this.#faults.flush();
  }
}
