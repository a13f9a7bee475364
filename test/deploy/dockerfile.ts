/**
 * Reads a Dockerfile as far as ours goes. What it does not know it refuses: a step that would be passed
 * over in silence would make its test worthless.
 */

export type Step =
  | { readonly type: 'workdir'; readonly path: string }
  | {
      readonly type: 'copy';
      /** A stage; undefined is the context. */
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly type: 'run'; readonly caches: readonly string[]; readonly command: string };

export interface Stage {
  /** Its name, or its number. */
  readonly name: string;
  /** The name of the argument that is its base image. */
  readonly base: string;
  readonly steps: readonly Step[];
  readonly user: string | undefined;
  readonly stopSignal: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

export interface Dockerfile {
  /** The arguments before the first stage, with their defaults. */
  readonly images: ReadonlyMap<string, string>;
  readonly stages: readonly Stage[];
}

type Draft = { -readonly [K in keyof Stage]: Stage[K] } & { steps: Step[] };

export function parseDockerfile(text: string): Dockerfile {
  const images = new Map<string, string>();
  const stages: Draft[] = [];
  for (const [instruction, rest] of instructions(text)) {
    if (instruction === 'FROM') {
      const [, base, name] = match(rest, /^\$\{(\w+)\}(?: AS (\w+))?$/);
      stages.push(draft(name ?? String(stages.length), base ?? ''));
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) {
      const [, name = '', value = ''] = match(`${instruction} ${rest}`, /^ARG (\w+)=(\S+)$/);
      images.set(name, value);
    } else take(stage, instruction, rest);
  }
  return { images, stages };
}

/** Lines that go together are one; comments are gone. */
function instructions(text: string): [instruction: string, rest: string][] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n/g, ' ');
  return [...lines.matchAll(/^(\w+)\s+(.*)$/gm)].map(([, instruction = '', rest = '']) => [
    instruction,
    rest.replaceAll(/ {2,}/g, ' ').trim(),
  ]);
}

function draft(name: string, base: string): Draft {
  const rest = { user: undefined, stopSignal: undefined, entrypoint: [], command: [] };
  return { name, base, steps: [], ...rest };
}

function take(stage: Draft, instruction: string, rest: string): void {
  switch (instruction) {
    case 'WORKDIR':
      stage.steps.push({ type: 'workdir', path: rest });
      return;
    case 'COPY': {
      const [, from, paths = ''] = match(rest, /^(?:--from=(\w+) )?([^-].*)$/);
      const sources = paths.split(' ');
      const target = sources.pop() ?? '';
      stage.steps.push({ type: 'copy', from, sources, target });
      return;
    }
    case 'RUN': {
      const mount = /^--mount=type=cache,target=(\S+?)(?:,sharing=locked)? /;
      const caches: string[] = [];
      let command = rest;
      for (let found = mount.exec(command); found !== null; found = mount.exec(command)) {
        caches.push(found[1] ?? '');
        command = command.slice(found[0].length);
      }
      match(command, /^[^-]/);
      stage.steps.push({ type: 'run', caches, command });
      return;
    }
    case 'USER':
      stage.user = rest;
      return;
    case 'STOPSIGNAL':
      stage.stopSignal = rest;
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest) as string[];
      return;
    case 'CMD':
      stage.command = JSON.parse(rest) as string[];
      return;
    case 'LABEL':
      return;
    default:
      throw new Error(`not known here: ${instruction} ${rest}`);
  }
}

function match(text: string, pattern: RegExp): RegExpExecArray {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`not known here: ${text}`);
  return found;
}
