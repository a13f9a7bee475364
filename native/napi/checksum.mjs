/** After `npm run build:native`: the checksum beside what it made. */
import { fileURLToPath } from 'node:url';
import { writeChecksum } from '../checksum.mjs';

writeChecksum(fileURLToPath(new URL('../warren.node', import.meta.url)));
