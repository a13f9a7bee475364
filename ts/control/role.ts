/** What both roles share: options, the engine they open, and how they take turns reloading. */
import type { Engine, EngineOptions } from '../engine/engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import {
  type EngineFacts,
  engineFacts,
  rejectedText,
  type SelectedEngine,
  selectEngine,
} from '../engine/select.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { type Logger, SILENT_LOGGER } from '../log.ts';
import { LogSampler } from '../log-sampler.ts';
import { accessLogger, engineEventLog } from './log-events.ts';

export interface RoleOptions {
  /** Silent by default. */
  readonly log?: Logger;
  /** One log line per visitor connection. */
  readonly accessLog?: boolean;
  readonly limits?: Partial<Limits>;
  /** Threads of the Rust engine; WARREN_THREADS by default, else as many as cores, at most 4. */
  readonly threads?: number;
  /**
   * An engine of the caller's, with limits and events of its own; it is closed with the role. By
   * default one is selected.
   */
  readonly engine?: Engine;
}

/** Log, sampler and engine of one running role. */
export class RoleBase {
  readonly log: Logger;
  /** For what a stranger can cause at will. */
  readonly sampled: LogSampler;
  readonly #options: RoleOptions;
  #selected: SelectedEngine | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RoleOptions) {
    this.#options = options;
    this.log = options.log ?? SILENT_LOGGER;
    this.sampled = new LogSampler(this.log);
  }

  get limits(): Limits {
    return { ...DEFAULT_LIMITS, ...this.#options.limits };
  }

  get engine(): Engine | undefined {
    return this.#selected?.engine;
  }

  get engineFacts(): EngineFacts | undefined {
    return this.#selected === undefined ? undefined : engineFacts(this.#selected);
  }

  /** @throws WARREN_E_ENGINE */
  async openEngine(): Promise<Engine> {
    const { engine, limits, threads, accessLog = false } = this.#options;
    if (engine !== undefined) {
      this.#selected = { engine, rejected: [] };
      return engine;
    }
    const facts = engineEventLog(this.log, this.sampled);
    const access = accessLogger(this.log);
    const options: EngineOptions = {
      accessLog,
      ...(limits === undefined ? {} : { limits }),
      ...(threads === undefined ? {} : { threads }),
      events: (batch: readonly EngineEvent[]) => {
        facts(batch);
        if (accessLog) access(batch);
      },
    };
    const selected = await selectEngine(options);
    this.#selected = selected;
    this.#tell(selected);
    if (selected.engine.name !== 'rust') {
      this.log.debug({}, 'keepalive_interval is left to the system: this engine cannot set it');
    }
    return selected.engine;
  }

  /** A fall-back behind an engine that is there but broken is for somebody to mend. */
  #tell({ engine, native, rejected }: SelectedEngine): void {
    const fields = {
      engine: engine.name,
      ...native,
      ...(rejected.length === 0 ? {} : { rejected: rejected.map(rejectedText) }),
    };
    const level = rejected.some(({ broken }) => broken) ? 'warn' : 'info';
    this.log[level](fields, 'engine selected');
  }

  /** Runs reloads one after the other. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}
