// One chart as the text of an SVG file: small, and the same bytes for the same options.

import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([
  BarChart,
  CustomChart,
  LineChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  SVGRenderer,
]);

export const FONT = 'Helvetica, Arial, sans-serif';
export const INK = '#1f2328';
export const FAINT = '#d8dce0';

/** A picture: where it goes and what it shows, in words for who does not see it. */
export interface Plot {
  /** The file's name, without its end. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** What all charts share: white, whatever the page is, and nothing that moves. */
export function renderChart(width: number, height: number, options: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: FONT, color: INK },
      ...options,
    });
    return tidied(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

export function titleOf(text: string, subtext: string): EChartsCoreOption {
  return {
    text,
    subtext,
    left: 12,
    top: 8,
    itemGap: 5,
    textStyle: { fontFamily: FONT, fontSize: 15, fontWeight: 'bold', color: INK },
    subtextStyle: { fontFamily: FONT, fontSize: 11, color: '#57606a' },
  };
}

/** The look of a value axis with its name in the middle. */
export function valueAxis(name: string, gap: number): EChartsCoreOption {
  return {
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: gap,
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: INK },
    axisLabel: { fontFamily: FONT, fontSize: 11, color: INK },
    axisLine: { show: false },
    splitLine: { lineStyle: { color: FAINT } },
  };
}

/**
 * The ids that the renderer numbers through all charts of a process begin anew, styles that every
 * letter repeats stand once, and lines end where git can compare them.
 */
function tidied(svg: string): string {
  return `${svg
    .replaceAll(/\bzr\d+-/g, 'zr-')
    .replaceAll(/(\d+\.\d\d)\d+/g, '$1')
    .replaceAll('><', '>\n<')
    .trim()}\n`;
}
