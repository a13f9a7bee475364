/**
 * After `npm run build:native`: writes beside the addon what sha256sum says of it. warren compares it
 * before it loads the addon.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const addon = fileURLToPath(new URL('../warren.node', import.meta.url));
const sum = createHash('sha256').update(readFileSync(addon)).digest('hex');
writeFileSync(`${addon}.sha256`, `${sum}  warren.node\n`);
