/**
 * Walks the schema as data: which keys a table has, what is allowed at a key, and how options'
 * camelCase names map to the file's. It is the only file that looks into valibot's schema objects.
 */
import type * as v from 'valibot';
import type { KeyPath } from './key-path.ts';
import { fileSchema } from './schema.ts';

/** What the schema says about one place of the file. */
export type Node =
  | { readonly kind: 'table'; readonly entries: ReadonlyMap<string, Node> }
  | { readonly kind: 'named'; readonly value: Node }
  | { readonly kind: 'leaf'; readonly allowed: string };

/** The parts of valibot's schema objects that are read here. */
interface Raw {
  readonly type: string;
  readonly message?: unknown;
  readonly wrapped?: Raw;
  readonly pipe?: readonly Raw[];
  readonly entries?: Readonly<Record<string, Raw>>;
  readonly value?: Raw;
}

/** The whole file as nodes. */
export const fileNode: Node = toNode(fileSchema);

function toNode(schema: v.GenericSchema): Node {
  // valibot's generic type hides the parts of the concrete schemas; `schema.ts` uses no others.
  return rawToNode(schema as unknown as Raw);
}

function rawToNode(raw: Raw): Node {
  if (raw.wrapped !== undefined) return rawToNode(raw.wrapped);
  const steps = raw.pipe ?? [raw];
  for (const { type, entries, value } of steps) {
    if (type === 'object' && entries !== undefined) {
      const nodes = Object.entries(entries).map(([key, entry]) => [key, rawToNode(entry)] as const);
      return { kind: 'table', entries: new Map(nodes) };
    }
    if (type === 'map' && value !== undefined) return { kind: 'named', value: rawToNode(value) };
  }
  return { kind: 'leaf', allowed: String(steps[0]?.message ?? '') };
}

/** The node at a path; undefined where the schema knows none. */
export function nodeAt(path: KeyPath): Node | undefined {
  let node: Node | undefined = fileNode;
  for (const key of path) {
    if (node === undefined) return undefined;
    node = child(node, key);
  }
  return node;
}

function child(node: Node, key: string | number): Node | undefined {
  if (typeof key === 'number' || node.kind === 'leaf') return undefined;
  return node.kind === 'named' ? node.value : node.entries.get(key);
}

/** Every leaf's path, user-chosen names as `*`: `server.services.*.bind_addr`. */
export function leafPaths(node: Node = fileNode, prefix = ''): string[] {
  if (node.kind === 'leaf') return [prefix];
  const children: (readonly [string, Node])[] =
    node.kind === 'named' ? [['*', node.value]] : [...node.entries];
  return children.flatMap(([key, inner]) =>
    leafPaths(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** What may stand at a path, as a sentence's end. */
export function allowedAt(path: KeyPath): string {
  const node = nodeAt(path);
  if (node === undefined) return '';
  return node.kind === 'leaf' ? node.allowed : 'a table';
}
