#!/usr/bin/env node
/** The `warren` program. What it can do: `commands/`; what it says about itself: `commands/usage.ts`. */
import { main } from './commands/main.ts';

process.exitCode = await main(process.argv.slice(2));
// Whatever a command may have left open must not keep a finished program alive.
setTimeout(() => process.exit(), 1_000).unref();
