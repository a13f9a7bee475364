// Which pictures a report has. A picture for which the run has no data is named and left out.

import type { Document, DocumentRow } from '../document.ts';
import { fullTitle } from '../figures.ts';
import { type BarGroup, type BarPlot, drawBars } from './bars.ts';
import type { Plot } from './chart.ts';
import { drawOverTime, drawPercentiles } from './lines.ts';

export interface Plots {
  readonly drawn: readonly Plot[];
  /** The titles of the others. */
  readonly absent: readonly string[];
}

type Picks = readonly { readonly rows: RegExp; readonly keys: readonly string[] }[];

interface BarKind extends Omit<BarPlot, 'groups'> {
  readonly picks: Picks;
}

const BULK = /^bulk-/;
const UDP = /^udp-/;
const CARRIED = /^(noise|tls|websocket)-bulk-/;

const BARS: readonly BarKind[] = [
  {
    name: 'bulk',
    title: 'Bulk over plain TCP',
    axis: 'Gbit/s',
    better: 'more',
    picks: [{ rows: BULK, keys: ['gbit'] }],
  },
  {
    name: 'bulk-cpu',
    title: 'CPU of both relays for bulk over plain TCP',
    axis: 'CPU seconds per GB',
    better: 'less',
    picks: [{ rows: BULK, keys: ['cpu'] }],
  },
  {
    name: 'iperf3',
    title: 'Bulk as iperf3 measures it',
    axis: 'Gbit/s',
    better: 'more',
    picks: [{ rows: /^iperf3-/, keys: ['gbit'] }],
  },
  {
    name: 'encrypted-bulk',
    title: 'Bulk over Noise, TLS and WebSocket',
    axis: 'Gbit/s',
    better: 'more',
    picks: [{ rows: CARRIED, keys: ['gbit'] }],
  },
  {
    name: 'rates',
    title: 'Visitors and requests',
    axis: 'per second',
    better: 'more',
    picks: [{ rows: /^(visitors-\d+|requests|http-.*)$/, keys: ['per_second'] }],
  },
  {
    name: 'udp-loss',
    title: 'UDP: datagrams lost',
    axis: '% lost',
    better: 'less',
    picks: [{ rows: UDP, keys: ['lossPercent'] }],
  },
  {
    name: 'udp-cpu',
    title: 'UDP: CPU of both relays',
    axis: 'CPU microseconds per delivered datagram',
    better: 'less',
    picks: [{ rows: UDP, keys: ['cpu'] }],
  },
  {
    name: 'jitter',
    title: 'An interactive flow beside bulk',
    axis: 'microseconds',
    better: 'less',
    picks: [{ rows: /^jitter$/, keys: ['calm_p99_us', 'p50_us', 'p99_us'] }],
  },
  {
    name: 'memory',
    title: 'Memory of server and client together',
    axis: 'RSS, MiB',
    better: 'less',
    picks: [
      { rows: /^idle$/, keys: ['rss'] },
      { rows: /^memory-run$/, keys: ['steadyRss'] },
      { rows: /^held$/, keys: ['rss1k', 'rss10k'] },
    ],
  },
  {
    name: 'memory-private',
    title: 'Memory that server and client share with nobody',
    axis: 'private dirty pages, MiB',
    better: 'less',
    picks: [
      { rows: /^idle$/, keys: ['privateDirty'] },
      { rows: /^held$/, keys: ['private1k', 'private10k'] },
    ],
  },
];

/** Draws all that the document has data for. */
export function drawPlots(document: Document): Plots {
  const results = [
    ...BARS.map((kind) => ({
      title: kind.title,
      plots: [drawBars(document, barPlot(document, kind))],
    })),
    {
      title: 'Memory over time',
      plots: rowsOf(document, /^memory-run$/).map((row) => memory(document, row)),
    },
    {
      title: 'Latency by percentile',
      plots: rowsOf(document, /^latency-/).map((row) => latency(document, row)),
    },
  ];
  const drawn = results.map(({ title, plots }) => ({
    title,
    plots: plots.filter((plot) => plot !== undefined),
  }));
  return {
    drawn: drawn.flatMap(({ plots }) => plots),
    absent: drawn.filter(({ plots }) => plots.length === 0).map(({ title }) => title),
  };
}

function memory(document: Document, row: DocumentRow): Plot | undefined {
  const title = `Memory over time: ${row.title}`;
  return drawOverTime(document, row, 'rss', {
    name: row.name,
    title,
    axis: 'RSS of both ends, MiB',
  });
}

function latency(document: Document, row: DocumentRow): Plot | undefined {
  return drawPercentiles(document, row, {
    name: row.name,
    title: `Latency by percentile: ${row.title}`,
  });
}

function barPlot(document: Document, { picks, ...rest }: BarKind): BarPlot {
  const groups = picks.flatMap(({ rows, keys }) =>
    rowsOf(document, rows).flatMap((row) => keys.map((key) => group(row, key, keys.length > 1))),
  );
  return { ...rest, groups };
}

/** Rows that are in a picture by more than one metric say which. */
function group(row: DocumentRow, key: string, isOfMany: boolean): BarGroup {
  return { title: isOfMany ? `${row.title}, ${fullTitle(row, key)}` : row.title, row, key };
}

function rowsOf({ rows }: Document, names: RegExp): DocumentRow[] {
  return rows.filter(({ name }) => names.test(name));
}
