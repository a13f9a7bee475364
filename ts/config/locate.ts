/**
 * Where each key of a TOML text stands, for messages that name a line (smol-toml gives no
 * positions).
 *
 * Works on any text without throwing; the answers are right for every text that smol-toml accepts.
 * It knows nothing of which keys mean what.
 */
import type { KeyPath } from './key-path.ts';
import {
  type Cursor,
  type KeyPart,
  readKey,
  type Span,
  skipBareValue,
  skipBlanks,
  skipString,
  skipVoid,
  startCursor,
} from './toml-scan.ts';

/**
 * smol-toml refuses deeper nesting; this only keeps a text that is no TOML from using up the stack.
 */
const MAX_NESTING_LEVELS = 1_100;

/**
 * No key of ours is so deep, so such a one is refused as unknown at an earlier part; its places end
 * here, or a key of very many parts would take time by their square.
 */
const MAX_KEY_PARTS = 20;

/** A place as an editor counts it, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where a key and its value stand. A table written as a header has its header as value. */
export interface Place {
  readonly key: Span;
  readonly value: Span;
}

/** A value that holds no others. */
export interface Leaf extends Span {
  readonly path: KeyPath;
}

/** The places of one text. */
export interface Locations {
  /** The place of a path, if the text has it. */
  find(path: KeyPath): Place | undefined;
  /** The place of the path, or of the nearest table around it; undefined if even that has none. */
  nearest(path: KeyPath): Place | undefined;
  position(offset: number): Position;
  readonly leaves: readonly Leaf[];
  readonly comments: readonly Span[];
}

interface Walk {
  readonly cursor: Cursor;
  readonly places: Map<string, Place & { implied: boolean }>;
  readonly leaves: Leaf[];
  /** How many tables `[[name]]` has so far. */
  readonly arrays: Map<string, number>;
  /** How many brackets are open. */
  depth: number;
}

/** Finds the place of every key of the text. */
export function locate(text: string): Locations {
  const cursor = startCursor(text);
  const walk: Walk = { cursor, places: new Map(), leaves: [], arrays: new Map(), depth: 0 };
  let table: KeyPath = [];
  for (;;) {
    skipVoid(cursor);
    if (cursor.at >= text.length) break;
    const before = cursor.at;
    if (text[cursor.at] === '[') table = walkHeader(walk);
    else walkPair(walk, table);
    // Only a text that is no TOML stands still.
    if (cursor.at === before) cursor.at += 1;
  }
  return {
    find: (path) => walk.places.get(JSON.stringify(path)),
    nearest(path) {
      for (let length = path.length; length > 0; length -= 1) {
        const place = walk.places.get(JSON.stringify(path.slice(0, length)));
        if (place !== undefined) return place;
      }
      return undefined;
    },
    position: positionIn(text),
    leaves: walk.leaves,
    comments: cursor.comments,
  };
}

/** Gives a function from offsets to positions. */
export function positionIn(text: string): (offset: number) => Position {
  const starts = [text.startsWith('\uFEFF') ? 1 : 0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.max(0, offset - (starts[low] ?? 0)) + 1 };
  };
}

function walkHeader(walk: Walk): KeyPath {
  const { cursor } = walk;
  const start = cursor.at;
  const isArray = cursor.text.startsWith('[[', start);
  cursor.at += isArray ? 2 : 1;
  const parts = readKey(cursor);
  const close = isArray ? ']]' : ']';
  if (cursor.text.startsWith(close, cursor.at)) cursor.at += close.length;
  const header = { start, end: cursor.at };
  const last = parts.at(-1);
  if (last === undefined) return [];
  let path = walkAncestors(walk, [], parts.slice(0, -1), header);
  path = extend(path, last.name);
  note(walk, path, { key: last, value: header }, false);
  if (!isArray) return enterArray(walk, path);
  const name = JSON.stringify(path);
  const index = walk.arrays.get(name) ?? 0;
  walk.arrays.set(name, index + 1);
  path = extend(path, index);
  note(walk, path, { key: last, value: header }, false);
  return path;
}

/** A key that names an array of tables means its last table. */
function enterArray(walk: Walk, path: KeyPath): KeyPath {
  const count = walk.arrays.get(JSON.stringify(path));
  return count === undefined ? path : extend(path, count - 1);
}

function extend(path: KeyPath, part: string | number): KeyPath {
  return path.length < MAX_KEY_PARTS ? [...path, part] : path;
}

function walkAncestors(walk: Walk, base: KeyPath, parts: KeyPart[], value: Span): KeyPath {
  let path = base;
  for (const part of parts.slice(0, MAX_KEY_PARTS)) {
    path = extend(path, part.name);
    note(walk, path, { key: part, value }, true);
    path = enterArray(walk, path);
  }
  return path;
}

/**
 * Remembers a place; the first one counts, but a table's own header beats a mention in another's.
 */
function note(walk: Walk, path: KeyPath, place: Place, implied: boolean): void {
  const name = JSON.stringify(path);
  const known = walk.places.get(name);
  if (known !== undefined && (implied || !known.implied)) return;
  walk.places.set(name, { ...place, implied });
}

/** `key = value`; gives nothing but moves the cursor behind it. */
function walkPair(walk: Walk, table: KeyPath): void {
  const { cursor } = walk;
  const parts = readKey(cursor);
  const last = parts.at(-1);
  if (last === undefined) return;
  if (cursor.text[cursor.at] === '=') cursor.at += 1;
  skipBlanks(cursor);
  const start = cursor.at;
  const first = parts[0] ?? last;
  const parent = walkAncestors(walk, table, parts.slice(0, -1), { start: first.start, end: start });
  const path = extend(parent, last.name);
  walkValue(walk, path);
  note(walk, path, { key: last, value: { start, end: cursor.at } }, false);
}

function walkValue(walk: Walk, path: KeyPath): void {
  const { cursor } = walk;
  const start = cursor.at;
  const char = cursor.text[start];
  if (char === '[' || char === '{') {
    walkContainer(walk, path, char === '[' ? ']' : '}');
    return;
  }
  if (char === '"' || char === "'") skipString(cursor);
  else skipBareValue(cursor);
  walk.leaves.push({ path, start, end: cursor.at });
}

function walkContainer(walk: Walk, path: KeyPath, close: string): void {
  const { cursor } = walk;
  cursor.at += 1;
  if (walk.depth > MAX_NESTING_LEVELS) return;
  walk.depth += 1;
  for (let index = 0; ; index += 1) {
    skipVoid(cursor);
    if (cursor.text[cursor.at] === close) break;
    const start = cursor.at;
    if (close === '}') walkPair(walk, path);
    else {
      const place = extend(path, index);
      walkValue(walk, place);
      const span = { start, end: cursor.at };
      note(walk, place, { key: span, value: span }, false);
    }
    skipVoid(cursor);
    if (cursor.text[cursor.at] !== ',') break;
    cursor.at += 1;
  }
  walk.depth -= 1;
  if (cursor.text[cursor.at] === close) cursor.at += 1;
}
