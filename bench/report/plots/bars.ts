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
const FIGURE_SPACE = 0.1;
const TITLE_LEFT = 12;
/** A long title crosses the axis. */
const ON_WHITE = { backgroundColor: '#ffffff', padding: [1, 4, 1, 0] };
/** An axis has so many to twice as many steps, of these times a power of ten. */
const FEWEST_STEPS = 4;
const STEPS = [1, 2, 5, 10];

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

const EMPTY: Bar = { label: '', color: INK, value: undefined };

/** `undefined` where no peer has a figure. */
export function drawBars(document: Document, plot: BarPlot): Plot | undefined {
  const groups = plot.groups
    .map((group) => barsOf(document, group))
    .filter(({ length }) => length > 1);
  if (groups.length === 0) return undefined;
  // A line between two groups, without anything.
  const bars = groups.flatMap((group, index) => (index === 0 ? group : [EMPTY, ...group]));
  const wins = plot.better === 'more' ? 'longer' : 'shorter';
  const note = `${wins} is better; bars are medians, lines go from the lowest to the highest round`;
  const svg = renderChart(WIDTH, TOP + BOTTOM + bars.length * LINE_HEIGHT, {
    title: titleOf(plot.title, note),
    grid: { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM },
    xAxis: lengthAxis(plot.axis, bars),
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
        renderItem: drawLine(bars),
        encode: { x: [1, 2], y: 0 },
        data: places(bars),
        z: 3,
        clip: false,
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

/** From zero to a round number with space for the figure behind the longest bar. */
function lengthAxis(name: string, bars: readonly Bar[]): object {
  const most = Math.max(...bars.map(({ value }) => value?.max ?? 0)) || 1;
  const wanted = most * (1 + FIGURE_SPACE);
  const power = 10 ** Math.floor(Math.log10(wanted / FEWEST_STEPS));
  const interval =
    power * (STEPS.find((step) => wanted / (step * power) <= 2 * FEWEST_STEPS) ?? 10);
  const max = Math.ceil(wanted / interval) * interval;
  return { ...valueAxis(name, 28), min: 0, max, interval };
}

function namesAxis(bars: readonly Bar[]): object {
  return {
    type: 'category',
    inverse: true,
    data: bars.map((_, index) => index),
    axisTick: { show: false },
    axisLine: { lineStyle: { color: INK } },
    axisLabel: {
      interval: 0,
      fontFamily: FONT,
      fontSize: 12,
      color: INK,
      // Names come again in every group, which the values of a category may not.
      formatter: (_: string, index: number) =>
        bars[index]?.value === undefined ? '' : (bars[index]?.label ?? ''),
    },
  };
}

/** Of each line its place, and where its range begins and ends. */
function places(bars: readonly Bar[]): [index: number, min: number, max: number][] {
  return bars.map(({ value }, index) => [index, value?.min ?? 0, value?.max ?? 0]);
}

/** A group's title at the left end of its line; else a range, and the figure behind it. */
function drawLine(bars: readonly Bar[]): CustomSeriesRenderItem {
  return (_params, api) => {
    const line = Number(api.value(0));
    const bar = bars[line];
    const [left = 0, y = 0] = api.coord([api.value(1), line]);
    const [right = 0] = api.coord([api.value(2), line]);
    if (bar === undefined || bar === EMPTY) return null;
    if (bar.value === undefined)
      return textAt(TITLE_LEFT, y, bar.label, `bold 12px ${FONT}`, ON_WHITE);
    const ends = `M${left} ${y - 3}v6M${left} ${y}H${right}M${right} ${y - 3}v6`;
    const figure = textAt(right + 6, y, number(bar.value.median), `11px ${FONT}`);
    if (right - left < 1) return figure;
    const range = {
      type: 'path' as const,
      shape: { pathData: ends },
      style: { stroke: INK, fill: 'none', lineWidth: 1 },
    };
    return { type: 'group', children: [range, figure] };
  };
}

function textAt(x: number, y: number, text: string, font: string, style: object = {}) {
  return {
    type: 'text' as const,
    x,
    y,
    style: { text, font, fill: INK, verticalAlign: 'middle' as const, ...style },
  };
}
