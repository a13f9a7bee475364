/** The demo's two daemons: their configuration files, their start, and what their logs tell. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

export const WEB_SERVICE = 'web';
export const ECHO_SERVICE = 'echo';

export interface LocalPorts {
  readonly tcpPort: number;
  readonly udpPort: number;
}

/**
 * Starts a daemon on a configuration that is written for it; its log is JSON lines at level info.
 */
export function startDaemon(name: string, toml: string, folder: string): Child {
  const file = join(folder, `${name.replaceAll(' ', '-')}.toml`);
  writeFileSync(file, toml, { mode: 0o600 });
  const env = { ...process.env, WARREN_LOG: 'info', WARREN_LOG_FORMAT: 'json' };
  return Child.start(name, [CLI, file], env);
}

/** A token for one demo: nobody else on this machine can use its tunnel. */
export function makeToken(): string {
  return randomBytes(24).toString('base64url');
}

/** Port 0 everywhere: the log tells which ports it became, so nothing can collide. */
export function serverToml(token: string): string {
  return `[server]
bind_addr = "127.0.0.1:0"
default_token = "${token}"

[server.services.${WEB_SERVICE}]
bind_addr = "127.0.0.1:0"

[server.services.${ECHO_SERVICE}]
type = "udp"
bind_addr = "127.0.0.1:0"
`;
}

export function clientToml(token: string, remoteAddr: string, local: LocalPorts): string {
  return `[client]
remote_addr = "${remoteAddr}"
default_token = "${token}"

[client.services.${WEB_SERVICE}]
local_addr = "127.0.0.1:${local.tcpPort}"

[client.services.${ECHO_SERVICE}]
type = "udp"
local_addr = "127.0.0.1:${local.udpPort}"
`;
}

interface LogRecord {
  readonly msg?: unknown;
  readonly service?: unknown;
  readonly address?: unknown;
  readonly engine?: unknown;
}

function parseRecord(line: string): LogRecord {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Matches `warren ready`: the daemon's facts. */
export function readyFacts(line: string): { address: string; engine: string } | undefined {
  const { msg, address, engine } = parseRecord(line);
  if (msg !== 'warren ready') return undefined;
  return { address: String(address), engine: String(engine) };
}

/** Matches `service bound` of one service: where visitors come in. */
export function boundAddress(name: string): (line: string) => string | undefined {
  return (line) => {
    const { msg, service, address } = parseRecord(line);
    return msg === 'service bound' && service === name ? String(address) : undefined;
  };
}

/** Matches the first line of the local service. */
export function localPorts(line: string): LocalPorts | undefined {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) return undefined;
  return {
    tcpPort: Number(Reflect.get(value, 'tcpPort')),
    udpPort: Number(Reflect.get(value, 'udpPort')),
  };
}
