/**
 * Checks the shape of a parsed file against the schema: wrong types, missing and unknown keys, all
 * of them.
 */
import * as v from 'valibot';
import { describe, kindOf } from './diagnostics.ts';
import { formatKey, formatPath, type KeyPath } from './key-path.ts';
import type { Report } from './report.ts';
import { type FileTable, fileSchema, isTable } from './schema.ts';
import { allowedAt, fileNode, type Node, nodeAt } from './schema-walk.ts';
import { suggest } from './suggest.ts';

/** Reports what is wrong with the shape; gives the file with defaults if nothing is. */
export function checkShape(raw: unknown, report: Report): FileTable | undefined {
  const before = report.problems.length;
  refuseUnknownKeys(fileNode, raw, [], report);
  const result = v.safeParse(fileSchema, raw);
  for (const issue of result.issues ?? []) reportIssue(issue, report);
  return result.success && report.problems.length === before ? result.output : undefined;
}

function reportIssue(issue: v.BaseIssue<unknown>, report: Report): void {
  const path: KeyPath = (issue.path ?? []).map(({ key }) => String(key));
  const allowed = allowedAt(path);
  const last = issue.path?.at(-1);
  if (last?.type === 'object' && last.origin === 'key') {
    const key = String(last.key);
    report.error(path, undefined, {
      message: 'missing key',
      found: 'no such key',
      allowed,
      remedy: `add \`${key} = …\` to ${tableName(path.slice(0, -1))}`,
    });
    return;
  }
  const isLeaf = nodeAt(path)?.kind === 'leaf';
  report.error(path, issue.input, {
    message: isLeaf ? leafMessage(issue) : 'not a table',
    // Where a table belongs, a string may be a token that lost its table: only its kind is shown.
    found: isLeaf ? describe(issue.input, path) : kindOf(issue.input),
    allowed: issue.type === 'check' ? issue.message : allowed,
    remedy: isLeaf ? leafRemedy(issue) : `write it as a table: [${formatPath(path)}]`,
  });
}

function leafMessage(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'check') return 'out of range';
  const isText = typeof issue.input === 'string';
  return issue.type === 'picklist' && isText ? 'unknown value' : 'wrong type';
}

function leafRemedy(issue: v.BaseIssue<unknown>): string {
  const { type, input } = issue;
  if (type === 'picklist' && typeof input === 'string') {
    const near = suggest(input, ['tcp', 'udp', 'tls', 'noise', 'websocket', 'reuse', 'v1']);
    return near === undefined ? 'write one of the allowed values' : `did you mean "${near}"?`;
  }
  if (type === 'bigint' && typeof input === 'number') return 'write it without a decimal point';
  if (type === 'bigint' && typeof input === 'string') return 'write it without quotes';
  if (type === 'boolean' && typeof input === 'string') return 'write it without quotes';
  if (type === 'string') return 'put it in quotes';
  return 'write one of the allowed values';
}

/**
 * Every key that the schema does not know, in every table; what is inside such a key is not looked
 * at.
 */
function refuseUnknownKeys(node: Node, value: unknown, path: KeyPath, report: Report): void {
  if (node.kind === 'leaf' || !isTable(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    const keyPath = [...path, key];
    const known = node.kind === 'named' ? node.value : node.entries.get(key);
    if (known !== undefined) refuseUnknownKeys(known, inner, keyPath, report);
    else reportUnknownKey(keyPath, node.kind === 'table' ? [...node.entries.keys()] : [], report);
  }
}

/** Reports a key that its table does not have, with the nearest one that it has. */
export function reportUnknownKey(path: KeyPath, known: readonly string[], report: Report): void {
  const key = String(path.at(-1));
  const near = suggest(key, known);
  report.error(path, undefined, {
    at: 'key',
    message: 'unknown key',
    found: `the key \`${formatKey(key)}\``,
    allowed: known.join(', '),
    remedy: near === undefined ? 'remove it' : `did you mean \`${near}\`?`,
  });
}

function tableName(path: KeyPath): string {
  return path.length === 0 ? 'the file' : `[${formatPath(path)}]`;
}
