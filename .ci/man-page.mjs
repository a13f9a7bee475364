/**
 * Writes docs/warren.1 from the definition of the command line: `npm run docs:man`. The page's date
 * is the day on which anything else of it changed, so a page that is right stays as it is.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { manPage } from '../dist/commands/man-page.js';

const file = new URL('../docs/warren.1', import.meta.url);
const today = new Date().toLocaleDateString('en-US', { dateStyle: 'long', timeZone: 'UTC' });

const old = existsSync(file) ? readFileSync(file, 'utf8') : '';
const date = /^\.Dd (.*)$/m.exec(old)?.[1] ?? today;
if (manPage(date) !== old) writeFileSync(file, manPage(today));
