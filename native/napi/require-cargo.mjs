/** Before `npm run build:native`: says in one line what is missing, instead of a failed build. */
import { lacksForRust, UNAVAILABLE } from '../toolchain.mjs';

const lacks = lacksForRust();
if (lacks !== undefined) {
  process.stderr.write(`build:native: ${lacks}; warren works without it, on another engine\n`);
  process.exitCode = UNAVAILABLE;
}
