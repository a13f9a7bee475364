/**
 * Hot reload of a daemon: the file's changes, on their own or on SIGHUP, become `reload` calls, one
 * at a time. Whatever is wrong with a new file, the daemon keeps what it has and says so.
 */
import type { Config, Role } from '../config/config.ts';
import { type Diagnostic, MAX_DIAGNOSTICS_SHOWN } from '../config/diagnostics.ts';
import type { LoadedConfig } from '../config/load.ts';
import { type ConfigWatch, watchConfig } from '../config/watch.ts';
import { errorText } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Daemon } from './daemon.ts';

export interface FollowOptions {
  readonly file: string;
  readonly loaded: LoadedConfig;
  readonly role: Role;
  readonly daemon: Pick<Daemon, 'reload'>;
  readonly log: Logger;
}

/** Watches until it is closed. */
export function followConfig({ file, loaded, role, daemon, log }: FollowOptions): ConfigWatch {
  let hasSection = true;
  let reloads: Promise<void> = Promise.resolve();

  const apply = async (config: Config): Promise<void> => {
    const isApplied = await daemon.reload(config);
    if (!isApplied) {
      log.error({ file, section: role }, 'section is gone, still running what it said last');
    } else if (!hasSection) {
      log.info({ file, section: role }, 'section is back');
    }
    hasSection = isApplied;
  };

  return watchConfig(file, {
    files: loaded.files,
    hash: loaded.hash,
    role,
    onChange: ({ config, warnings }) => {
      logDiagnostics(log, warnings);
      reloads = reloads
        .then(() => apply(config))
        .catch((error: unknown) => log.error({ file, error: errorText(error) }, 'reload failed'));
    },
    onError: ({ diagnostics }) => {
      logDiagnostics(log, diagnostics);
      log.error({ file }, 'new configuration ignored, still running the old one');
    },
  });
}

/** Problems of a configuration, one line each, and one line for those beyond the first 100. */
export function logDiagnostics(log: Logger, diagnostics: readonly Diagnostic[]): void {
  for (const diagnostic of diagnostics.slice(0, MAX_DIAGNOSTICS_SHOWN)) {
    const { file, line, column, key, message, found, allowed, remedy, severity } = diagnostic;
    const at = line > 0 ? `${file}:${line}:${column}` : file;
    const given = { found: found || undefined, allowed: allowed || undefined };
    const fields = { at, key: key || undefined, problem: message, ...given, remedy };
    if (severity === 'error') log.error(fields, 'configuration error');
    else log.warn(fields, 'configuration warning');
  }
  const more = diagnostics.length - MAX_DIAGNOSTICS_SHOWN;
  if (more > 0) log.warn({ more }, 'more configuration problems than are shown');
}
