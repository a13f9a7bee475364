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
 * Without the numbers that the renderer gives to the charts of a process, and what only matters
 * under a mouse; with the font named once, and one element a line for who compares two versions.
 */
function tidied(svg: string): string {
  return `${svg
    .replaceAll(/<style.*?<\/style>/gs, '')
    .replaceAll(/ (class|pointer-events|xml:space|ecmeta_\w+)="[^"]*"/g, '')
    .replaceAll(/\bzr\d+-/g, '')
    .replaceAll(/(\.\d\d)\d+/g, '$1')
    .replaceAll(`font-family:${FONT};`, '')
    .replaceAll(/ style="font-size:(\d+)px;"/g, ' font-size="$1"')
    .replace('<svg ', `<svg font-family="${FONT}" `)
    .replaceAll(/>\s*</g, '>\n<')
    .trim()}\n`;
}
