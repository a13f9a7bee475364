/** The version of this package, as its package.json says it. */
import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const json: unknown = JSON.parse(text);
  const version: unknown =
    typeof json === 'object' && json !== null && Reflect.get(json, 'version');
  return typeof version === 'string' ? version : 'unknown';
}
