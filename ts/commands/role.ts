/** Which role a process has: the section of the file that it runs. */
import type { Config, Role } from '../config/config.ts';
import { WarrenError } from '../errors.ts';

/**
 * The role to run. A flag decides; without one the file must have only one section.
 * @throws WARREN_E_CONFIG when the flag's section is missing; WARREN_E_USAGE when a flag is needed.
 */
export function chooseRole(config: Config, flag: Role | undefined, file: string): Role {
  if (flag !== undefined) {
    if (config[flag] !== undefined) return flag;
    const other: Role = flag === 'server' ? 'client' : 'server';
    throw new WarrenError(
      'WARREN_E_CONFIG',
      `${file}: --${flag} was given, but the file has no [${flag}] section.` +
        ` Add it, or run the role that is there with --${other}`,
    );
  }
  if (config.server !== undefined && config.client !== undefined) {
    throw new WarrenError(
      'WARREN_E_USAGE',
      `${file}: the file has both [server] and [client]: say which to run, --server or --client`,
    );
  }
  return config.server === undefined ? 'client' : 'server';
}
