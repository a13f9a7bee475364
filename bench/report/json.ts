// The document as a JSON file: written with the summaries beside the samples, read with a check of
// everything that the report relies on.

import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type Document, subjectOf } from './document.ts';
import { peersIn, subjectOver, summary } from './figures.ts';
import { documentSchema } from './schema.ts';

const PROBLEMS_NAMED = 3;

/** The whole document; medians, ranges and ratios are there for who reads it without this program. */
export function toJson(document: Document): string {
  const rows = document.rows.map((row) => ({
    ...row,
    summaries: row.metrics.map(({ key, title }) => ({
      key,
      title,
      byPeer: byPeer(document, row, (peer) => summary(row, key, peer)),
      ratios: byPeer(document, row, (peer) => subjectOver(document, row, key, peer)),
    })),
  }));
  const whole = { ...document, subject: subjectOf(document) ?? null, rows };
  return `${JSON.stringify(whole, withoutNaN, 2)}\n`;
}

/**
 * Reads what `toJson` wrote.
 *
 * @throws Error that says what is wrong with the file, and where.
 */
export function readDocument(path: string): Document {
  return parseDocument(readText(path), path);
}

/** @throws Error when the text is not JSON, or not a document; `path` is where it is from. */
export function parseDocument(text: string, path: string): Document {
  const { issues, output } = v.safeParse(documentSchema, parseJson(text, path));
  if (issues === undefined) return output;
  const named = issues.slice(0, PROBLEMS_NAMED).map((issue) => {
    const where = v.getDotPath(issue) ?? 'the whole';
    return `${where}: ${issue.message}`;
  });
  const more = issues.length > PROBLEMS_NAMED ? `; and ${issues.length - PROBLEMS_NAMED} more` : '';
  throw new Error(
    `${path} is no result of this benchmark, or one of an older version (${named.join('; ')}${more}); take a results.json that npm run bench has written`,
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new Error(`there is no file ${path}; npm run bench prints the path of its results`);
    }
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is not JSON: ${reason.replaceAll(/\s+/g, ' ')}`);
  }
}

function byPeer<T>(
  document: Document,
  row: Document['rows'][number],
  value: (peer: string) => T,
): Record<string, T> {
  return Object.fromEntries(peersIn(document, row).map((peer) => [peer, value(peer)]));
}

/** JSON would make a null of it, which is no number when it is read. */
function withoutNaN(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
}
