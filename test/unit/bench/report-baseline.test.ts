import { describe, expect, it } from 'vitest';
import type { Metric } from '../../../bench/load/rows/row.ts';
import { withBaselines } from '../../../bench/report/baseline.ts';
import type { DocumentRow } from '../../../bench/report/document.ts';
import { terminalReport } from '../../../bench/report/terminal.ts';
import { documentOf, rowOf, SUBJECT, samplesOf } from './report-document.ts';

const GBIT: readonly Metric[] = [{ key: 'gbit', title: 'Gbit/s', better: 'more' }];

function carried(transport: DocumentRow['transport'], name: string): DocumentRow {
  const samples = samplesOf({ [SUBJECT]: { gbit: [10, 10] } });
  return { ...rowOf(name, GBIT, samples), kind: 'bulk-up-1', transport };
}

describe('the figure without a tunnel', () => {
  const plain = rowOf(
    'bulk-up-1',
    GBIT,
    samplesOf({ direct: { gbit: [40, 40] }, [SUBJECT]: { gbit: [30, 30] } }),
  );

  it('stands beside the same load over another transport', () => {
    const document = documentOf([plain, carried('noise', 'noise-bulk-up-1')]);
    const [, noise] = withBaselines(document).rows;
    expect(noise?.samples['direct']).toEqual(plain.samples['direct']);
    const text = terminalReport(document);
    const part = text.slice(text.indexOf('the row noise-bulk-up-1'));
    expect(part).toContain('25.0 %');
  });

  it('is not that of another place, nor of another load', () => {
    const far = carried('tcp-20ms', 'bulk-up-1-20ms');
    const other = { ...carried('tls', 'tls-bulk-up-8'), kind: 'bulk-up-8' };
    const { rows } = withBaselines(documentOf([plain, far, other]));
    for (const row of rows.slice(1)) expect(row.samples).not.toHaveProperty('direct');
  });
});
