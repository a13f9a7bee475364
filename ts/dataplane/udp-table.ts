/**
 * A bounded table of UDP sessions, least recent out first. Every use moves an entry to the end: a
 * flood of new ones can replace the whole table in less than a second, and must not reach those in use.
 */

export interface UdpEntry {
  /** `performance.now()` of the last use. */
  lastSeen: number;
}

export class UdpTable<Entry extends UdpEntry> {
  readonly #entries = new Map<string, Entry>();
  readonly #max: number;
  readonly #idleMs: number;
  readonly #removed: (key: string, entry: Entry, why: 'idle' | 'evicted') => void;
  #sweep: NodeJS.Timeout | undefined;

  constructor(
    max: number,
    idleMs: number,
    removed: (key: string, entry: Entry, why: 'idle' | 'evicted') => void,
  ) {
    this.#max = max;
    this.#idleMs = idleMs;
    this.#removed = removed;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry of a session that is alive; being asked for keeps it alive. */
  use(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = performance.now();
    if (now - entry.lastSeen >= this.#idleMs) {
      this.#expel(key, entry, 'idle');
      return undefined;
    }
    entry.lastSeen = now;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  add(key: string, entry: Entry): void {
    if (this.#entries.size >= this.#max) this.evictOldest();
    this.#entries.set(key, entry);
    this.#sweep ??= setInterval(() => this.#removeIdle(), Math.max(1, this.#idleMs / 4));
  }

  each(visit: (entry: Entry) => void): void {
    for (const entry of this.#entries.values()) visit(entry);
  }

  /** Takes the entry of that key out without telling. */
  take(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (this.#entries.size === 0) this.#stop();
    return entry;
  }

  /** Makes room for one more. False: there was nothing to evict. */
  evictOldest(): boolean {
    const [oldest] = this.#entries;
    if (oldest === undefined) return false;
    this.#expel(oldest[0], oldest[1], 'evicted');
    return true;
  }

  /** Takes all out without telling. */
  clear(): Entry[] {
    const all = [...this.#entries.values()];
    this.#entries.clear();
    this.#stop();
    return all;
  }

  #removeIdle(): void {
    const expired = performance.now() - this.#idleMs;
    for (const [key, entry] of this.#entries) {
      if (entry.lastSeen > expired) break;
      this.#expel(key, entry, 'idle');
    }
  }

  #expel(key: string, entry: Entry, why: 'idle' | 'evicted'): void {
    this.#entries.delete(key);
    if (this.#entries.size === 0) this.#stop();
    this.#removed(key, entry, why);
  }

  #stop(): void {
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}
