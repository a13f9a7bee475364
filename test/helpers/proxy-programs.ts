/** Real proxies: tinyproxy for HTTP CONNECT, microsocks for SOCKS 5. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resources } from './process-resources.ts';
import { findProgram, type ProgramOptions, type RunningProgram, startProgram } from './programs.ts';

export type ProxyScheme = 'http' | 'socks5';

export interface ProxyOptions extends Pick<ProgramOptions, 'hosts' | 'port'> {
  readonly credentials?: { readonly username: string; readonly password: string };
  /** http: the only port that may be connected to. */
  readonly onlyPort?: number;
}

const PROGRAMS = { http: 'tinyproxy', socks5: 'microsocks' } as const;
const found: { -readonly [Scheme in ProxyScheme]?: string | undefined } = {};

/** Undefined where it is not installed. */
export function proxyProgram(scheme: ProxyScheme): string | undefined {
  if (!(scheme in found)) found[scheme] = findProgram(PROGRAMS[scheme]);
  return found[scheme];
}

export function startProxy(
  resources: Resources,
  scheme: ProxyScheme,
  { credentials, onlyPort, ...options }: ProxyOptions = {},
): Promise<RunningProgram> {
  const program = proxyProgram(scheme);
  if (program === undefined) throw new Error(`no ${PROGRAMS[scheme]}`);
  return startProgram(resources, {
    name: PROGRAMS[scheme],
    ...options,
    command: (port, folder) => {
      if (scheme === 'socks5') {
        const login = credentials ? ['-u', credentials.username, '-P', credentials.password] : [];
        return [program, '-i', '127.0.0.1', '-p', String(port), ...login];
      }
      const lines = [
        `Port ${port}`,
        'Listen 127.0.0.1',
        'Allow 127.0.0.1',
        'Timeout 600',
        'MaxClients 500',
        'LogLevel Connect',
        ...(credentials ? [`BasicAuth ${credentials.username} ${credentials.password}`] : []),
        ...(onlyPort === undefined ? [] : [`ConnectPort ${onlyPort}`]),
      ];
      const file = join(folder, 'tinyproxy.conf');
      writeFileSync(file, `${lines.join('\n')}\n`);
      return [program, '-d', '-c', file];
    },
  });
}

/** What the proxy has connected to, as its log names it. */
export function targetsOf({ daemon }: RunningProgram): string[] {
  return daemon.lines
    .map((line) => /Request \(file descriptor \d+\): CONNECT (\S+)|connected to (\S+)/.exec(line))
    .filter((match) => match !== null)
    .map(([, http, socks]) => http ?? socks ?? '');
}
