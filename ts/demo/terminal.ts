/**
 * How the demo talks: one aligned line per step, rewritten while it runs where a person is looking.
 */

const NAME_COLUMNS = 16;
const TIME_COLUMNS = 9;
const MAX_COLUMNS = 110;
const FALLBACK_COLUMNS = 96;
const PROGRESS_MS = 100;

const GREEN = '\u001b[32m';
const RED = '\u001b[31m';
const DIM = '\u001b[2m';
const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';
const REWRITE = '\r\u001b[2K';

/** What the terminal is said to be able to do. */
export interface TerminalEnvironment {
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
  readonly LC_ALL?: string | undefined;
  readonly LC_CTYPE?: string | undefined;
  readonly LANG?: string | undefined;
}

export interface TerminalOptions {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: number | undefined;
  readonly env: TerminalEnvironment;
}

function speaksUnicode({ LC_ALL, LC_CTYPE, LANG, TERM }: TerminalEnvironment): boolean {
  if (TERM === 'linux' || TERM === 'dumb') return false;
  const locale = [LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== '');
  return process.platform === 'win32' || /utf-?8/i.test(locale ?? '');
}

/** A duration for people. */
export function formatDuration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** A step that runs. Exactly one of `done` and `failed` ends it. */
export interface Step {
  progress(detail: string): void;
  done(detail: string): void;
  failed(detail: string): void;
}

export class Terminal {
  readonly #write: (text: string) => void;
  readonly #isLive: boolean;
  readonly #colour: boolean;
  readonly #width: number;
  readonly #unicode: boolean;

  constructor({ write, isTerminal, columns, env }: TerminalOptions) {
    this.#write = write;
    this.#isLive = isTerminal && env.TERM !== 'dumb';
    this.#colour = this.#isLive && (env.NO_COLOR ?? '') === '';
    this.#width = Math.min(columns ?? FALLBACK_COLUMNS, MAX_COLUMNS);
    this.#unicode = speaksUnicode(env);
  }

  line(text = ''): void {
    this.#write(`${this.#unicode ? text : toAscii(text)}\n`);
  }

  title(text: string): void {
    this.line(this.#paint(BOLD, text));
  }

  dim(text: string): void {
    this.line(this.#paint(DIM, text));
  }

  step(name: string): Step {
    const begin = performance.now();
    let shown = Number.NEGATIVE_INFINITY;
    const pending = (detail: string): void => {
      if (!this.#isLive || performance.now() - shown < PROGRESS_MS) return;
      shown = performance.now();
      // Never wider than the screen: a line that wraps cannot be rewritten.
      const text = `  ${this.#unicode ? '…' : '.'} ${name.padEnd(NAME_COLUMNS)} ${detail}`;
      this.#write(REWRITE + text.slice(0, this.#width - 1));
    };
    const end = (colour: string, mark: string, detail: string): void => {
      const time = formatDuration(performance.now() - begin);
      if (this.#isLive) this.#write(REWRITE);
      this.line(this.#row(this.#paint(colour, mark), mark.length, name, detail, time));
    };
    pending('');
    return {
      progress: pending,
      done: (detail) => end(GREEN, this.#unicode ? '✔' : 'ok', detail),
      failed: (detail) => end(RED, this.#unicode ? '✘' : 'FAILED', detail),
    };
  }

  #row(mark: string, markWidth: number, name: string, detail: string, time: string): string {
    const text = this.#unicode ? detail : toAscii(detail);
    const head = `  ${mark} ${name.padEnd(NAME_COLUMNS + 1 - markWidth)} ${text}`;
    const used = head.length - mark.length + markWidth;
    const gap = Math.max(this.#width - used, TIME_COLUMNS + 1);
    return head + this.#paint(DIM, time.padStart(gap));
  }

  #paint(colour: string, text: string): string {
    return this.#colour ? `${colour}${text}${RESET}` : text;
  }
}

function toAscii(text: string): string {
  return text.replaceAll('→', '->').replaceAll('…', '...').replaceAll('·', '-');
}
