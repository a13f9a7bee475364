// What a suite is: tasks that are compared with each other, each with a check of its result.

import type { FoundEngine } from './engines.ts';

/** One operation of pure code, so short that it is timed in batches. */
export interface PureTask {
  readonly name: string;
  /** @throws Error when the result is wrong. */
  check(): void;
  /** Comes before each batch of `count` operations, outside the timed part. */
  prepare?(count: number): void;
  /** One operation; `index` counts within its batch and picks the input. */
  run(index: number): unknown;
}

/** One operation that crosses sockets. */
export interface EngineTask {
  readonly name: string;
  /** @throws Error when the result is wrong. */
  check(): Promise<void>;
  run(): Promise<unknown>;
}

interface Named {
  readonly name: string;
  readonly title: string;
}

/** Timed by tinybench. */
export interface PureSuite extends Named {
  readonly method: 'tinybench';
  tasks(): readonly PureTask[];
}

/** Engine against engine, timed by benchmark.js: it says whether two of them differ at all. */
export interface EngineSuite extends Named {
  readonly method: 'benchmark.js';
  /** The tasks of open tunnels, which stay open until `close`. */
  open(engines: readonly FoundEngine[]): Promise<OpenTasks>;
}

export interface OpenTasks {
  readonly tasks: readonly EngineTask[];
  close(): Promise<void>;
}

export type Suite = PureSuite | EngineSuite;

/** Inputs in turn, so that no operation always meets the same one. */
export function inTurn<T>(inputs: readonly [T, ...T[]]): (index: number) => T {
  const [first] = inputs;
  return (index) => inputs[index % inputs.length] ?? first;
}
