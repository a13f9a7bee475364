/**
 * Collects engine events and hands them up once a turn; equal facts of a batch become one event.
 */

import { type EngineEvent, EVENT_BATCH_MAX, type EventSink } from '../engine/events.ts';
import { errorText } from '../errors.ts';

const FLUSH_MS = 10;

export class EventBatch {
  readonly #sink: EventSink | undefined;
  #events: EngineEvent[] = [];
  readonly #merged = new Map<string, number>();
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(sink: EventSink | undefined) {
    this.#sink = sink;
  }

  push(event: EngineEvent): void {
    if (this.#sink === undefined) return;
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    const key = mergeKey(event);
    const at = key === undefined ? undefined : this.#merged.get(key);
    const same = at === undefined ? undefined : this.#events[at];
    if (at !== undefined && same !== undefined && 'count' in same && 'count' in event) {
      this.#events[at] = { ...same, count: same.count + event.count };
    } else if (this.#events.length >= EVENT_BATCH_MAX) {
      this.#lost += 1;
    } else {
      if (key !== undefined) this.#merged.set(key, this.#events.length);
      this.#events.push(event);
    }
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#events.length === 0) return;
    const batch = this.#events;
    if (this.#lost > 0) batch.push({ type: 'events_lost', count: this.#lost });
    this.#events = [];
    this.#merged.clear();
    this.#lost = 0;
    try {
      this.#sink?.(batch);
    } catch (error) {
      // Told with the next batch; not again and again when that one fails as well.
      const known = batch.every((event) => event.type === 'fault');
      const stack = error instanceof Error ? error.stack : undefined;
      if (!known) this.push({ type: 'fault', where: 'event sink', error: errorText(error), stack });
    }
  }
}

function mergeKey(event: EngineEvent): string | undefined {
  switch (event.type) {
    case 'tunnel_rejected':
      return `${event.type} ${event.reason} ${event.peer?.host}`;
    case 'visitor_refused':
    case 'channel_failed':
      return `${event.type} ${event.reason} ${event.service} ${event.error}`;
    default:
      return undefined;
  }
}
