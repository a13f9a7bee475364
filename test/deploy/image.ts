/** An image without an engine: the Dockerfile's steps, one after the other, and a program of it started. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '../helpers/process-daemon.ts';
import type { Resources } from '../helpers/process-resources.ts';
import type { Dockerfile, Stage, Step } from './dockerfile.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** Set: the engine is built by its own stage, too, which takes minutes. Else the one that is there is taken. */
const BUILDS_ENGINE = process.env['WARREN_TEST_IMAGE'] !== undefined;
const ENGINE = join(ROOT, 'native/warren.node');
const BUILD_MS = 1_200_000;

/** The files that git knows or would take, as far as the context has them. */
export function writeContext(folder: string, allowed: readonly string[]): void {
  const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const names = execFileSync('git', [...listed, '--', ...allowed], { cwd: ROOT, encoding: 'utf8' });
  for (const name of names.split('\0').filter((it) => it !== '' && existsSync(join(ROOT, it)))) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(ROOT, name), join(folder, name));
  }
}

const quoted = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

function lineOf(step: Step): string {
  if (step.type === 'workdir') return `workdir ${quoted([step.path])}`;
  if (step.type === 'copy') {
    return `copy ${quoted([step.from ?? 'context', ...step.sources, step.target])}`;
  }
  const target = process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target');
  const caches = step.caches.filter((path) => path.endsWith('/target'));
  return [
    ...caches.map((path) => `cache ${quoted([path, target])}`),
    `run ${quoted([step.command])}`,
  ].join('\n');
}

/** The stage of the engine, with the one that was built before in place of its commands. */
function withoutBuilding(stage: Stage): string[] {
  return [
    'workdir /src',
    `install -m 644 ${quoted([ENGINE])} "$(root ${stage.name})/src/warren.node"`,
    "run 'sha256sum warren.node >warren.node.sha256'",
  ];
}

/** Makes `folder` the image's root. @throws with what a step printed when it fails */
export function buildImage(file: Dockerfile, context: string, folder: string): void {
  const lines = file.stages.flatMap((stage) => {
    const isLast = stage === file.stages.at(-1);
    const begin = isLast
      ? `libraries ${stage.name} "$NODE" ${quoted([ENGINE])}`
      : `machine ${stage.name}`;
    const isEngine = stage.base === 'RUST_IMAGE' && !BUILDS_ENGINE;
    return [begin, ...(isEngine ? withoutBuilding(stage) : stage.steps.map(lineOf))];
  });
  const script = join(context, '..', 'build.sh');
  const source = `. ${quoted([here('build-image.sh')])}`;
  writeFileSync(script, [source, ...lines, `export_to ${quoted([folder])}`, ''].join('\n'));
  const { CARGO_TARGET_DIR: _, NODE_OPTIONS: __, ...env } = process.env;
  execFileSync('unshare', ['--mount', 'bash', script], {
    env: { ...env, CONTEXT: context, NODE: process.execPath, npm_config_prefer_offline: 'true' },
    timeout: BUILD_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export class Container {
  readonly daemon: Daemon;

  /** Runs the image with these arguments; `config` is its /etc/warren. */
  constructor(
    resources: Resources,
    name: string,
    image: { readonly folder: string; readonly stage: Stage },
    config: string,
    args: readonly string[] = image.stage.command,
  ) {
    const { folder, stage } = image;
    const into = ['--mount', '--pid', '--fork', '--kill-child', 'bash', here('contain.sh')];
    const program = [folder, config, stage.user ?? '', ...stage.entrypoint, ...args];
    this.daemon = Daemon.start(resources, name, ['unshare', ...into, ...program]);
  }

  /** Its PID 1, as this machine counts. */
  get pid(): number {
    const { pid } = this.daemon;
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
    // To 0 a signal would go to all of ours.
    if (child === 0) throw new Error('it has ended');
    return child;
  }
}
