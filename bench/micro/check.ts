// Checks every task of a suite. Wrong results are told all at once, each by its name.

import type { FoundEngine } from './engines.ts';
import type { EngineTask, OpenTasks, PureTask, Suite } from './suite.ts';

export interface Wrong {
  readonly suite: string;
  /** Of the task; the suite's own name where its tasks could not even be made. */
  readonly task: string;
  readonly reason: string;
}

export async function checkSuite(
  suite: Suite,
  engines: readonly FoundEngine[],
  signal?: AbortSignal,
): Promise<Wrong[]> {
  let open: OpenTasks | undefined;
  try {
    if (suite.method === 'tinybench') return await wrongOf(suite.name, suite.tasks(), signal);
    open = await suite.open(engines);
    return await wrongOf(suite.name, open.tasks, signal);
  } catch (error) {
    return [{ suite: suite.name, task: suite.name, reason: textOf(error) }];
  } finally {
    await open?.close();
  }
}

async function wrongOf(
  suite: string,
  tasks: readonly (PureTask | EngineTask)[],
  signal: AbortSignal | undefined,
): Promise<Wrong[]> {
  const wrong: Wrong[] = [];
  for (const task of tasks) {
    if (signal?.aborted) break;
    try {
      await task.check();
    } catch (error) {
      wrong.push({ suite, task: task.name, reason: textOf(error) });
    }
  }
  return wrong;
}

/** The first line: assertions show both values below. */
function textOf(error: unknown): string {
  return error instanceof Error ? error.message.replaceAll(/\s*\n\s*/g, ' ').trim() : String(error);
}
