/** What `--version` prints. */
import { readFileSync } from 'node:fs';
import { rejectedText, selectEngine } from '../engine/select.ts';
import { errorText } from '../errors.ts';

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const json: unknown = JSON.parse(text);
  const version: unknown =
    typeof json === 'object' && json !== null && Reflect.get(json, 'version');
  return typeof version === 'string' ? version : 'unknown';
}

/** One line, or with `verbose` one per fact that a bug report needs. */
export function versionText(verbose: boolean): string {
  const line = `warren ${packageVersion()}\n`;
  if (!verbose) return line;
  const facts: readonly (readonly [string, string])[] = [
    ['engine', engineText()],
    ['protocol', 'rathole wire v1'],
    ['node', process.version],
    ['platform', `${process.platform}-${process.arch}`],
  ];
  return line + facts.map(([name, value]) => `${name.padEnd(9)} ${value}\n`).join('');
}

/** The engine that would run, and why those before it would not; a forced one may not be there. */
function engineText(): string {
  try {
    const { engine, rejected } = selectEngine({});
    engine.destroy();
    const reasons = rejected.map(rejectedText).join('; ');
    return reasons === '' ? engine.name : `${engine.name} (${reasons})`;
  } catch (error) {
    return `none (${errorText(error)})`;
  }
}
