/** A document is read from its file as it was written, and nothing else is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDocument, readDocument, toJson } from '../../../bench/report/json.ts';
import { documentOf, rowOf, SUBJECT, samplesOf } from './report-document.ts';

describe('the JSON file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'warren-report-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('gives back the document', () => {
    const path = join(directory, 'results.json');
    writeFileSync(path, toJson(documentOf()));
    expect(readDocument(path)).toStrictEqual(documentOf());
    expect(toJson(readDocument(path))).toBe(toJson(documentOf()));
  });

  it('has medians and ratios for who reads it without this program', () => {
    const { subject, rows } = JSON.parse(toJson(documentOf()));
    expect(subject).toBe(SUBJECT);
    expect(rows[0].summaries[0]).toMatchObject({ key: 'gbit', ratios: { rathole: 4 } });
    expect(rows[0].summaries[0].byPeer.rathole).toMatchObject({ median: 5.25, min: 5, max: 5.5 });
  });

  it('leaves out what is no number', () => {
    const metric = { key: 'rate', title: '/s', better: 'more' } as const;
    const rows = [rowOf('row', [metric], samplesOf({ [SUBJECT]: { rate: [Number.NaN, 2] } }))];
    const read = parseDocument(toJson(documentOf(rows)), 'here');
    const samples = read.rows[0]?.samples[SUBJECT];
    expect(samples?.map(({ numbers }) => numbers)).toEqual([{}, { rate: 2 }]);
  });

  it('is missed with a word', () => {
    const path = join(directory, 'none.json');
    expect(() => readDocument(path)).toThrow(`there is no file ${path}; npm run bench prints`);
    expect(() => readDocument(directory)).toThrow(/cannot be read: EISDIR/);
  });

  it('is named when it is not JSON, or JSON of something else', () => {
    expect(() => parseDocument('{', 'x.json')).toThrow(/^x\.json is not JSON: /);
    expect(() => parseDocument('[]', 'x.json')).toThrow(/^x\.json is no result of this benchmark/);
    const { rows, ...rest } = documentOf();
    const wrong = JSON.stringify({ ...rest, rows: [{ ...rows[0], metrics: 7 }], seconds: '3' });
    expect(() => parseDocument(wrong, 'x.json')).toThrow(/\(seconds: .*rows\.0\.metrics: .*\)/);
  });
});
