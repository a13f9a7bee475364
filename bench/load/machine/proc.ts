// Reading /proc. What is gone reads as nothing.

import { readFileSync } from 'node:fs';

export function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
