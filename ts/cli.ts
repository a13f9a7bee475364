#!/usr/bin/env node
/**
 * The `warren` program. What it can do: `commands/`; what it says about itself:
 * `commands/usage.ts`.
 */
import { main } from './commands/main.ts';

const exitCode = await main(process.argv.slice(2));
// A command that is done has ended what it started; a timer somewhere must not delay the exit. Each
// callback comes behind everything that was written there.
process.stderr.write('', () => process.stdout.write('', () => process.exit(exitCode)));
