// Visits that find out when a port serves, or no longer does. They are few at a time, so that they
// cost the measured programs next to nothing.

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The echo came back, nobody listened, or it ended some other way. */
type Outcome = 'answered' | 'refused' | 'cut';

/** The sink sends back what follows its first letter. */
const REQUEST = 'e!';
const ANSWER = '!';
/** A server may keep a visitor until there is a client. Another one may then be faster. */
const HELD_MS = 100;
const PAUSE_MS = 2;

/** One visitor that wants an echo. */
class Visit {
  readonly outcome: Promise<Outcome>;
  /** Stays open for any other outcome. */
  readonly answered: Promise<Outcome>;
  readonly #socket: Socket;

  constructor(port: number) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    this.outcome = new Promise((resolve) => {
      const end = (outcome: Outcome): void => {
        resolve(outcome);
        socket.destroy();
      };
      socket.once('connect', () => socket.write(REQUEST));
      socket.once('data', (bytes) => end(String(bytes) === ANSWER ? 'answered' : 'cut'));
      socket.once('end', () => end('cut'));
      socket.once('error', (error) =>
        end('code' in error && error.code === 'ECONNREFUSED' ? 'refused' : 'cut'),
      );
      socket.once('close', () => end('cut'));
    });
    this.answered = new Promise((resolve) => {
      void this.outcome.then((outcome) => {
        if (outcome === 'answered') resolve(outcome);
      });
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * Visits the port until one visitor has its echo.
 *
 * @throws Error when none has it in time.
 */
export async function untilAnswered(port: number, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  const held = new Set<Visit>();
  try {
    while (performance.now() < deadline) {
      const visit = new Visit(port);
      held.add(visit);
      void visit.outcome.then(() => held.delete(visit));
      const answers = [...held].map(({ answered }) => answered);
      const outcome = await Promise.race([...answers, visit.outcome, sleep(HELD_MS)]);
      if (outcome === 'answered') return;
      await sleep(PAUSE_MS);
    }
  } finally {
    for (const visit of held) visit.destroy();
  }
  throw new Error(`port ${port} did not answer within ${limitMs / 1000} s`);
}

/** Visits of different ports beside each other, and the pause of each that had no luck. */
const ABREAST = 4;
const ABREAST_PAUSE_MS = 10;

/**
 * Visits the ports until each has had the outcome. One that has not yet is visited again after all
 * others: whichever is the last, the others are known by then.
 *
 * @throws Error when some have not had it in time.
 */
export async function untilAll(
  ports: readonly number[],
  wanted: 'answered' | 'refused',
  limitMs: number,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  const queue = [...ports];
  let missing = ports.length;
  const visitInTurn = async (): Promise<void> => {
    for (let port = queue.shift(); port !== undefined; port = queue.shift()) {
      if ((await visitOnce(port)) === wanted) {
        missing -= 1;
        continue;
      }
      if (performance.now() > deadline) {
        const within = `within ${limitMs / 1000} s`;
        throw new Error(`${missing} of ${ports.length} ports were not ${wanted} ${within}`);
      }
      queue.push(port);
      await sleep(ABREAST_PAUSE_MS);
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, visitInTurn));
}

async function visitOnce(port: number): Promise<Outcome | 'held'> {
  const visit = new Visit(port);
  const timer = new AbortController();
  try {
    const held = sleep(HELD_MS, 'held' as const, { signal: timer.signal });
    held.catch(() => {});
    return await Promise.race([visit.outcome, held]);
  } finally {
    timer.abort();
    visit.destroy();
  }
}
