// Numbers as a person reads them: three significant digits, and thousands apart.

import type { Summary } from './stats.ts';

const DIGITS = 3;

/** Three significant digits: 0.0123, 4.50, 12.3, 25,300. */
export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(DIGITS));
  if (Math.abs(rounded) >= 100) return apart(rounded);
  return rounded.toPrecision(DIGITS);
}

/** The same without zeros at the end, for bounds that people chose: 1.8, 5, 0.2. */
export function bound(value: number): string {
  return apart(Number(value.toPrecision(DIGITS)));
}

/** Median and range, as `12.3 (11.9-12.8)`. */
export function figure(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max, rounds } = summary;
  return rounds === 1 ? number(median) : `${number(median)} (${number(min)}-${number(max)})`;
}

/** `1 run`, `2 runs`. */
export function count(of: number, noun: string): string {
  return `${apart(of)} ${noun}${of === 1 ? '' : 's'}`;
}

/** `a`, `a or b`, `a, b or c`. */
export function eitherOf(names: readonly string[]): string {
  const [last = '', ...others] = [...names].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} or ${last}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function allOf(names: readonly string[]): string {
  return eitherOf(names).replace(/ or (?!.* or )/, ' and ');
}

/** So many seconds, as hours, minutes or seconds. */
export function duration(seconds: number): string {
  if (seconds < 120) return count(Math.round(seconds), 'second');
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return count(minutes, 'minute');
  return `${Math.floor(minutes / 60)} hours ${minutes % 60} minutes`;
}

/** Thousands with commas, whatever the locale of the machine is. */
function apart(value: number): string {
  const [whole = '', rest] = String(value).split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}
