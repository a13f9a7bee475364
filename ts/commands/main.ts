/** From the command line to an exit code: one command per verb, one place where errors are told. */
import { type Arguments, parseArguments } from './arguments.ts';
import { EXIT_OK, exitCodeOf } from './exit-codes.ts';
import { failureText } from './failure.ts';
import { type Faults, handleFaults } from './faults.ts';
import { handleOutputErrors } from './output.ts';
import { versionText } from './version.ts';

/** Runs a command line; never throws. `argv` without the program and script names. */
export async function main(argv: readonly string[]): Promise<number> {
  const faults = handleFaults();
  handleOutputErrors();
  try {
    return await dispatch(parseArguments(argv), faults);
  } catch (error) {
    process.stderr.write(failureText(error));
    return exitCodeOf(error);
  }
}

/** Commands are loaded when they are used: `check` needs no engine and `run` no demo. */
async function dispatch(command: Arguments, faults: Faults): Promise<number> {
  switch (command.verb) {
    case 'help':
      command.print();
      return EXIT_OK;
    case 'version':
      process.stdout.write(await versionText(command.verbose));
      return EXIT_OK;
    case 'check': {
      const { check } = await import('./check.ts');
      return check(command);
    }
    case 'genkey': {
      const { genkey } = await import('./genkey.ts');
      return genkey(command);
    }
    case 'status': {
      const { status } = await import('./status.ts');
      return status(command);
    }
    case 'completion': {
      const { completion } = await import('./completion.ts');
      return completion(command);
    }
    case 'demo': {
      const { demo } = await import('./demo.ts');
      return demo(command);
    }
    case 'run': {
      const { run } = await import('./run.ts');
      return run(command, faults);
    }
  }
}
