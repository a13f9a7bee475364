// Lines over time or percentiles, one a peer.

import { type Document, type DocumentRow, subjectOf } from '../document.ts';
import { peersIn } from '../figures.ts';
import { colorOf, isRival } from '../peers.ts';
import { summarize } from '../stats.ts';
import { FONT, INK, type Plot, renderChart, titleOf, valueAxis } from './chart.ts';

const WIDTH = 860;
const HEIGHT = 420;
/** Enough for the width of the picture. */
const MOST_POINTS = 120;
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond'];
const LEGEND_WIDTH = 200;
/** What happens to the luckier half interests nobody, and would crowd the axis. */
const LEAST_PERCENT = 50;

type Points = readonly (readonly [number, number])[];

interface Curve {
  readonly peer: string;
  readonly look: {
    readonly itemStyle: { readonly color: string };
    readonly lineStyle: { readonly width: number; readonly type: 'solid' | 'dashed' };
  };
  readonly points: Points;
}

/** Values over time; of each peer its first round. `undefined` where no peer kept any. */
export function drawOverTime(
  document: Document,
  row: DocumentRow,
  series: string,
  labels: { readonly name: string; readonly title: string; readonly axis: string },
): Plot | undefined {
  const curves = curvesOf(document, row, (peer) => {
    const first = (row.samples[peer] ?? []).flatMap((sample) => {
      const points = sample.series[series] ?? [];
      return points.length > 0 ? [points] : [];
    })[0];
    return thinned(first ?? []);
  });
  if (curves.length === 0) return undefined;
  const svg = renderChart(WIDTH, HEIGHT, {
    ...frame(labels.title, 'less is better; the first round of each peer', curves),
    xAxis: { ...valueAxis('seconds since the row began', 28), splitLine: { show: false } },
    yAxis: { ...valueAxis(labels.axis, 52), min: 0 },
    series: curves.map(({ peer, look, points }) => ({
      type: 'line',
      name: peer,
      data: points,
      symbol: 'none',
      ...look,
    })),
  });
  return { name: labels.name, title: labels.title, svg };
}

/** Latency by percentile: medians over the rounds. Each further nine has the same width. */
export function drawPercentiles(
  document: Document,
  row: DocumentRow,
  labels: { readonly name: string; readonly title: string },
): Plot | undefined {
  const curves = curvesOf(document, row, (peer) => percentiles(row, peer));
  if (curves.length === 0) return undefined;
  const ticks = [...new Set(curves.flatMap(({ points }) => points.map(([percent]) => percent)))];
  ticks.sort((a, b) => a - b);
  const svg = renderChart(WIDTH, HEIGHT, {
    ...frame(
      labels.title,
      'lower is better; medians over the rounds; both axes logarithmic',
      curves,
    ),
    xAxis: percentAxis(ticks),
    yAxis: { ...valueAxis('latency, microseconds (log)', 52), type: 'log' },
    series: curves.map(({ peer, look, points }, index) => ({
      type: 'line',
      name: peer,
      data: points.map(([percent, value]) => [nines(percent), value]),
      symbol: SYMBOLS[index % SYMBOLS.length],
      symbolSize: 8,
      ...look,
    })),
  });
  return { name: labels.name, title: labels.title, svg };
}

function curvesOf(
  document: Document,
  row: DocumentRow,
  pointsOf: (peer: string) => Points,
): Curve[] {
  return peersIn(document, row)
    .map((peer) => ({ peer, look: lookOf(document, peer), points: pointsOf(peer) }))
    .filter(({ points }) => points.length > 0);
}

/** The subject is the strongest line, and what is no tunnel is dashed. */
function lookOf(document: Document, name: string): Curve['look'] {
  const isTunnel = document.peers.some(
    (peer) => peer.name === name && (peer.isWarren || isRival(peer)),
  );
  return {
    itemStyle: { color: colorOf(name, document.peers) },
    lineStyle: {
      width: name === subjectOf(document) ? 4 : 2,
      type: isTunnel ? 'solid' : 'dashed',
    },
  };
}

function percentiles({ samples }: DocumentRow, peer: string): Points {
  const byPercent = new Map<number, number[]>();
  for (const { series } of samples[peer] ?? []) {
    for (const [percent, value] of series['percentiles'] ?? []) {
      // A logarithm has no zero, and the last percentile no end.
      if (percent >= LEAST_PERCENT && percent < 100 && value > 0) {
        byPercent.set(percent, [...(byPercent.get(percent) ?? []), value]);
      }
    }
  }
  return [...byPercent]
    .sort(([a], [b]) => a - b)
    .flatMap(([percent, values]) => {
      const median = summarize(values)?.median;
      return median === undefined ? [] : [[percent, median] as const];
    });
}

/** How many nines a percentile has: 90 is one, 99 two, 99.9 three. */
function nines(percent: number): number {
  return -Math.log10(1 - percent / 100);
}

function percentAxis(percents: readonly number[]): object {
  const places = percents.map(nines);
  return {
    ...valueAxis('percentile of the requests', 28),
    min: places[0] ?? 0,
    max: places.at(-1) ?? 1,
    axisTick: { show: true, customValues: places },
    axisLabel: {
      customValues: places,
      fontFamily: FONT,
      fontSize: 11,
      color: INK,
      formatter: (place: number) =>
        String(percents.find((percent) => Math.abs(nines(percent) - place) < 1e-6) ?? ''),
    },
    splitLine: { show: false },
  };
}

function frame(title: string, note: string, curves: readonly Curve[]): object {
  return {
    title: titleOf(title, note),
    grid: { left: 76, right: LEGEND_WIDTH + 20, top: 66, bottom: 46 },
    legend: {
      orient: 'vertical',
      top: 62,
      left: WIDTH - LEGEND_WIDTH,
      itemWidth: 36,
      data: curves.map(({ peer }) => peer),
      textStyle: { fontFamily: FONT, fontSize: 12, color: INK },
    },
  };
}

/** Every n-th point and the last. */
function thinned(points: Points): Points {
  const step = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, index) => index % step === 0 || index === points.length - 1);
}
