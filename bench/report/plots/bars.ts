// Bars with ranges: a group a row, a bar a peer, its name beside it and its median behind it.

import type { CustomSeriesRenderItem } from 'echarts';
import type { Document, DocumentRow } from '../document.ts';
import { peersIn, summary } from '../figures.ts';
import { number } from '../numbers.ts';
import { colorOf } from '../peers.ts';
import type { Summary } from '../stats.ts';
import { FONT, INK, type Plot, renderChart, titleOf, valueAxis } from './chart.ts';

const WIDTH = 860;
const LINE_HEIGHT = 17;
const TOP = 62;
const BOTTOM = 46;
const LEFT = 190;
const RIGHT = 28;
/** Of the axis, behind the longest bar: for the figure there. */
const FIGURE_SPACE = 0.18;

export interface BarGroup {
  readonly title: string;
  readonly row: DocumentRow;
  readonly key: string;
}

export interface BarPlot {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  readonly better: 'more' | 'less';
  readonly groups: readonly BarGroup[];
}

interface Bar {
  readonly label: string;
  readonly color: string;
  readonly value: Summary | undefined;
}

/** `undefined` where no peer has a figure. */
export function drawBars(document: Document, plot: BarPlot): Plot | undefined {
  const groups = plot.groups
    .map((group) => barsOf(document, group))
    .filter(({ length }) => length > 1);
  if (groups.length === 0) return undefined;
  const bars = groups.flat();
  const wins = plot.better === 'more' ? 'longer' : 'shorter';
  const note = `${wins} is better; bars are medians, lines go from the lowest to the highest round`;
  const svg = renderChart(WIDTH, TOP + BOTTOM + bars.length * LINE_HEIGHT, {
    title: titleOf(plot.title, note),
    grid: { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM },
    xAxis: { ...valueAxis(plot.axis, 28), min: 0, max: axisEnd(bars) },
    yAxis: namesAxis(bars),
    series: [
      {
        type: 'bar',
        barWidth: 11,
        data: bars.map(({ value, color }) => ({
          value: value?.median ?? '-',
          itemStyle: { color },
        })),
      },
      {
        type: 'custom',
        renderItem: renderRange,
        encode: { x: [1, 2, 3], y: 0 },
        data: ranges(bars),
      },
    ],
  });
  return { name: plot.name, title: plot.title, svg };
}

/** The first is the group's title, without a bar. */
function barsOf(document: Document, { title, row, key }: BarGroup): Bar[] {
  const bars = peersIn(document, row).flatMap((peer): Bar[] => {
    const value = summary(row, key, peer);
    return value === undefined
      ? []
      : [{ label: peer, color: colorOf(peer, document.peers), value }];
  });
  return [{ label: title, color: INK, value: undefined }, ...bars];
}

function axisEnd(bars: readonly Bar[]): number {
  const most = Math.max(...bars.map(({ value }) => value?.max ?? 0));
  return most === 0 ? 1 : most * (1 + FIGURE_SPACE);
}

function namesAxis(bars: readonly Bar[]): object {
  return {
    type: 'category',
    inverse: true,
    data: bars.map(({ label }, index) => `${index}\n${label}`),
    axisTick: { show: false },
    axisLine: { lineStyle: { color: INK } },
    axisLabel: {
      interval: 0,
      fontFamily: FONT,
      fontSize: 12,
      color: INK,
      formatter: (text: string, index: number) => {
        const label = text.replace(/^\d+\n/, '');
        return bars[index]?.value === undefined ? `{group|${label}}` : label;
      },
      rich: { group: { fontWeight: 'bold', fontSize: 12, fontFamily: FONT } },
    },
  };
}

type Range = [index: number, min: number, max: number, median: number, text: string];

function ranges(bars: readonly Bar[]): Range[] {
  return bars.flatMap(({ value }, index): Range[] =>
    value === undefined ? [] : [[index, value.min, value.max, value.median, number(value.median)]],
  );
}

/** A line with two ends, and the figure right of all. */
const renderRange: CustomSeriesRenderItem = (_params, api) => {
  const line = Number(api.value(0));
  const [left = 0, y = 0] = api.coord([api.value(1), line]);
  const [right = 0] = api.coord([api.value(2), line]);
  const d = `M${left} ${y - 3}v6M${left} ${y}H${right}M${right} ${y - 3}v6`;
  const isWide = right - left > 1;
  return {
    type: 'group',
    children: [
      ...(isWide
        ? [
            {
              type: 'path' as const,
              shape: { pathData: d },
              style: { stroke: INK, fill: 'none', lineWidth: 1 },
            },
          ]
        : []),
      {
        type: 'text' as const,
        x: right + 6,
        y,
        style: {
          text: String(api.value(4)),
          font: `11px ${FONT}`,
          fill: INK,
          verticalAlign: 'middle' as const,
        },
      },
    ],
  };
};
