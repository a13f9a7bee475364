// A run's directory: the JSON, the page, and the plots in a folder that is named like the page.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ROOT } from '../load/generator.ts';
import type { Document } from './document.ts';
import { toJson } from './json.ts';
import { renderPage } from './page/page.ts';
import { drawPlots } from './plots/plots.ts';

/** Writes all of a run that has just ended, and gives the directory. */
export function writeResults(document: Document): string {
  const name = document.machine.date.replaceAll(/[:.]/g, '-');
  const directory = join(ROOT, 'bench/results/tmp', name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'results.json'), toJson(document));
  writePage(document, join(directory, 'report.md'));
  return directory;
}

/** Writes the page `NAME.md` and its plots into the folder `NAME` beside it, and gives their paths. */
export function writePage(document: Document, page: string): string[] {
  const folder = basename(page, '.md');
  const plots = drawPlots(document);
  const directory = join(dirname(page), folder);
  mkdirSync(directory, { recursive: true });
  removePlots(directory);
  writeFileSync(page, renderPage(document, plots, folder));
  const pictures = plots.drawn.map(({ name, svg }) => {
    const path = join(directory, `${name}.svg`);
    writeFileSync(path, svg);
    return path;
  });
  return [page, ...pictures];
}

/** Plots of an earlier run, which this one may not have. */
function removePlots(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.endsWith('.svg')) rmSync(join(directory, name));
  }
}
