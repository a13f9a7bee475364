// The figure without a tunnel beside every row. Where there is no tunnel there is no transport either:
// what plain TCP did without one in the same rounds stands beside the same load over the others.

import type { Document, DocumentRow } from './document.ts';
import { BASELINE } from './peers.ts';

/** The document with the tunnel-less samples in every row of a kind that was measured without one. */
export function withBaselines(document: Document): Document {
  const { rows } = document;
  return { ...document, rows: rows.map((row) => withBaseline(row, rows)) };
}

function withBaseline(row: DocumentRow, rows: readonly DocumentRow[]): DocumentRow {
  if (BASELINE in row.samples || row.transport === 'tcp-20ms') return row;
  const plain = rows.find(({ kind, transport }) => kind === row.kind && transport === 'tcp');
  const samples = plain?.samples[BASELINE];
  if (samples === undefined) return row;
  return { ...row, samples: { [BASELINE]: samples, ...row.samples } };
}
