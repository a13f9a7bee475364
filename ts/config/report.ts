/** How checks look at a table whose shape may be wrong, and how they report. */
import { describe, type Problem } from './diagnostics.ts';
import type { KeyPath } from './key-path.ts';
import { isTable } from './schema.ts';

/** A parsed table before its shape is known to be right. */
export type RawTable = Readonly<Record<string, unknown>>;

/** A problem as a check words it; the rest is filled in. */
export interface Finding {
  readonly message: string;
  readonly allowed?: string;
  readonly remedy: string;
  /** Replaces the description of the value. */
  readonly found?: string;
  readonly at?: 'key' | 'value';
}

/** Collects the problems of one configuration. */
export interface Report {
  error(path: KeyPath, value: unknown, finding: Finding): void;
  warn(path: KeyPath, value: unknown, finding: Finding): void;
  readonly problems: readonly Problem[];
}

/** An empty report. */
export function newReport(): Report {
  const problems: Problem[] = [];
  const add = (severity: Problem['severity']) => (path: KeyPath, value: unknown, f: Finding) => {
    problems.push({
      severity,
      path,
      at: f.at ?? 'value',
      message: f.message,
      found: f.found ?? describe(value, path),
      allowed: f.allowed ?? '',
      remedy: f.remedy,
    });
  };
  return { error: add('error'), warn: add('warning'), problems };
}

/** The value if it is a table. */
export function tableOf(value: unknown): RawTable | undefined {
  return isTable(value) ? value : undefined;
}

/** The value of a table's own key if it is a string. */
export function textOf(table: RawTable | undefined, key: string): string | undefined {
  const value = ownValue(table, key);
  return typeof value === 'string' ? value : undefined;
}

/** The value of a table's own key if it is an integer; the default where the key is missing. */
export function integerOf(table: RawTable, key: string, missing?: bigint): bigint | undefined {
  const value = ownValue(table, key);
  if (value === undefined) return missing;
  return typeof value === 'bigint' ? value : undefined;
}

/** The value of a table's own key. */
export function ownValue(table: RawTable | undefined, key: string): unknown {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The services of a section that are tables. */
export function servicesOf(section: RawTable): [name: string, service: RawTable][] {
  const services = tableOf(ownValue(section, 'services')) ?? {};
  return Object.entries(services).flatMap(([name, value]) => {
    const service = tableOf(value);
    return service === undefined ? [] : [[name, service] as [string, RawTable]];
  });
}
