// The figures as text for people.

import { renderTable } from '../report/table.ts';
import type { Engines } from './engines.ts';
import type { Figures } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Suite } from './suite.ts';

const HEAD = ['ops/s', 'per op', 'margin', 'p75', 'p99', 'samples', 'to first'];
const UNITS = [
  { name: 's', ns: 1e9 },
  { name: 'ms', ns: 1e6 },
  { name: 'µs', ns: 1e3 },
  { name: 'ns', ns: 0 },
];

export function renderHead(machine: Machine, { found, missing }: Engines): string[] {
  const { cpu, cores, system, node, v8, commit, date, loadBefore } = machine;
  const names = found.map(({ name, addon }) => (addon === undefined ? name : `${name} (${addon})`));
  return [
    `${date}, commit ${commit}`,
    `node ${node} (V8 ${v8}), ${cores} x ${cpu}, ${system}, load ${loadBefore.toFixed(2)}`,
    `engines: ${names.join(', ')}`,
    ...missing.map(({ name, reason }) => `left out: ${name}: ${reason}`),
  ];
}

/** Above its figures, as soon as it runs. */
export function renderTitle({ name, title, method }: Suite): string[] {
  return ['', `${name}: ${title} (${method})`];
}

export function renderFigures(all: readonly Figures[]): string[] {
  const lines = all.map((figures) => ({ name: `  ${figures.name}`, cells: cellsOf(figures) }));
  return renderTable({ name: '', cells: HEAD }, lines);
}

export function renderList(suites: readonly Suite[]): string[] {
  const width = Math.max(...suites.map(({ name }) => name.length));
  return suites.map(({ name, title, method }) => `${name.padEnd(width)}  ${title} (${method})`);
}

function cellsOf(figures: Figures): string[] {
  const { opsPerSecond, nsPerOp, marginPercent, p75Ns, p99Ns, samples, toFirst, differs } = figures;
  return [
    grouped(opsPerSecond),
    duration(nsPerOp),
    `±${marginPercent.toFixed(marginPercent < 10 ? 1 : 0)} %`,
    duration(p75Ns),
    duration(p99Ns),
    String(samples),
    `${places(toFirst)}x${differs === false ? ' =' : ''}`,
  ];
}

/** In the largest unit of which it is at least one. */
function duration(ns: number): string {
  const unit = UNITS.find((each) => ns >= each.ns);
  return unit === undefined ? '-' : `${places(ns / (unit.ns || 1))} ${unit.name}`;
}

/** Three significant places, or the whole number where it is longer. */
function places(of: number): string {
  if (of >= 100) return of.toFixed(0);
  return of >= 0.001 ? of.toPrecision(3) : of.toExponential(1);
}

/** Thousands apart: these numbers are long. */
function grouped(of: number): string {
  return of >= 100 ? Math.round(of).toLocaleString('en') : places(of);
}
