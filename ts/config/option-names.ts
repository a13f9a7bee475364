/**
 * Maps the options of library users to the file's tables and back: `heartbeatIntervalSecs` is
 * `heartbeat_interval`. The schema is the only list of keys; this has the rule and its exceptions.
 */
import type { KeyPath } from './key-path.ts';
import { formatPath } from './key-path.ts';
import type { Report } from './report.ts';
import { isTable } from './schema.ts';
import { leafPaths, type Node, nodeAt } from './schema-walk.ts';
import { reportUnknownKey } from './shape.ts';

/** Numbers carry their unit in their name; in the file these do not. */
const NAMED_APART: Readonly<Record<string, string>> = {
  heartbeat_interval: 'heartbeatIntervalSecs',
  heartbeat_timeout: 'heartbeatTimeoutSecs',
  retry_interval: 'retryIntervalSecs',
  keepalive_interval: 'keepaliveIntervalSecs',
};

/** A program reads its own files. */
const FILE_ONLY: ReadonlySet<string> = new Set(['token_file', 'default_token_file']);

/** The option's name of a file's key. */
function optionName(key: string): string {
  return NAMED_APART[key] ?? key.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The raw table of an options object; unknown options are reported and left out. */
export function toRaw(node: Node, value: unknown, path: KeyPath, report: Report): unknown {
  // In TOML 30 and 30.0 differ; in a program they do not.
  if (node.kind === 'leaf') return Number.isInteger(value) ? BigInt(Number(value)) : value;
  if (!isTable(value)) return value;
  const raw: Record<string, unknown> = Object.create(null);
  const keys = node.kind === 'table' ? optionKeys(node) : undefined;
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    const key = keys === undefined ? name : keys.get(name);
    const child = childNode(node, key);
    if (key === undefined || child === undefined) {
      reportUnknownKey([...path, name], [...(keys?.keys() ?? [])], report);
      continue;
    }
    Object.defineProperty(raw, key, {
      value: toRaw(child, inner, [...path, key], report),
      enumerable: true,
    });
  }
  return raw;
}

function childNode(node: Node, key: string | undefined): Node | undefined {
  if (node.kind === 'leaf' || key === undefined) return undefined;
  return node.kind === 'named' ? node.value : node.entries.get(key);
}

function optionKeys(node: Extract<Node, { kind: 'table' }>): Map<string, string> {
  const keys = [...node.entries.keys()].filter((key) => !FILE_ONLY.has(key));
  return new Map(keys.map((key) => [optionName(key), key]));
}

/**
 * A path as the caller wrote it: without the section, and every key translated but those that the
 * caller chose (a service's name, a header's).
 */
export function optionPath(path: KeyPath): string {
  const [, ...rest] = path;
  return formatPath(
    rest.map((key, index) => {
      const isChosen = nodeAt(path.slice(0, index + 1))?.kind === 'named';
      return typeof key === 'number' || isChosen ? key : optionName(key);
    }),
  );
}

const FILE_NAMES: ReadonlyMap<string, string> = new Map(
  leafPaths().flatMap((path) => {
    const key = path.split('.').at(-1) ?? '';
    return key.includes('_') ? [[key, optionName(key)] as const] : [];
  }),
);

/** A sentence that names the file's keys and tables, with the options' names in their place. */
export function speakOptions(sentence: string): string {
  return sentence
    .replaceAll(/\[(?:server|client)(?:\.([^\]]*))?\]/g, (_, rest?: string) =>
      rest === undefined ? 'the options' : `\`${rest}\``,
    )
    .replaceAll(/\b(?:server|client)\.(?=[a-z])/g, '')
    .replaceAll(/[a-z0-9]+(?:_[a-z0-9]+)+/g, (word) => FILE_NAMES.get(word) ?? word);
}
