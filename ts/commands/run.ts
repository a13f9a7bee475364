/**
 * `warren CONFIG`: load, announce, start, follow the file, drain. Reads as the life of the daemon.
 */
import { isatty } from 'node:tty';
import { loadConfig } from '../config/load.ts';
import type { ConfigWatch } from '../config/watch.ts';
import { WarrenError } from '../errors.ts';
import { type Log, openLog } from '../log.ts';
import { packageVersion } from '../package-version.ts';
import type { RunArguments } from './arguments.ts';
import { createDaemon, type Daemon } from './daemon.ts';
import { EXIT_OK } from './exit-codes.ts';
import { startHint } from './failure.ts';
import type { Faults } from './faults.ts';
import { followConfig, logDiagnostics } from './follow.ts';
import { chooseRole } from './role.ts';
import { endBy, stopSignal } from './stop.ts';

const STDOUT = 1;
const FLUSH_MS = 1_000;

/**
 * Runs the daemon until a signal ends it.
 * @throws WARREN_E_CONFIG, WARREN_E_USAGE, WARREN_E_BIND, WARREN_E_ENGINE
 */
export async function run(command: RunArguments, faults: Faults): Promise<number> {
  const { file, drainMs } = command;
  const loaded = loadConfig(file, { role: command.role });
  const role = chooseRole(loaded.config, command.role, file);
  const log = openLog({ env: process.env, fd: STDOUT, isTerminal: isatty(STDOUT) });
  faults.reportTo(log);
  logDiagnostics(log, loaded.warnings);

  const { WARREN_ACCESS_LOG } = process.env;
  const accessLog = command.accessLog || isOn(WARREN_ACCESS_LOG);
  const daemon = createDaemon(role, loaded.config, { log, accessLog });
  const stopping = stopSignal(log);
  let watch: ConfigWatch | undefined;
  process.on('SIGHUP', () => {
    log.info({ file }, 'SIGHUP: reading the configuration');
    watch?.poke();
  });

  const { pid, version: node } = process;
  log.info({ version: packageVersion(), role, file, accessLog, pid, node }, 'warren starts');
  await start(daemon, log);
  log.info({ role, ...daemon.facts() }, 'warren ready');
  watch = followConfig({ file, loaded, role, daemon, log });

  const signal = await stopping;
  watch.close();
  log.info({ signal, visitors: daemon.visitorsOpen(), drainMs }, 'stopping, visitors may finish');
  await daemon.close({ deadlineMs: drainMs });
  log.info({}, 'warren stopped');
  if (!(await log.flush(FLUSH_MS))) endBy(signal);
  return EXIT_OK;
}

/** Starts; a failure is in the log too, for those who read only that. */
async function start(daemon: Daemon, log: Log): Promise<void> {
  try {
    await daemon.start();
  } catch (error) {
    if (error instanceof WarrenError && log.format === 'json') {
      const { code, message } = error;
      log.error({ code, error: message, hint: startHint(error) }, 'cannot start');
    }
    // Warnings of the configuration may still be on their way.
    await log.flush(FLUSH_MS);
    throw error;
  }
}

function isOn(value: string | undefined): boolean {
  return ['1', 'true', 'yes', 'on'].includes(value?.trim().toLowerCase() ?? '');
}
