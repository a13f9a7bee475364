/** Real programs that tests use where they are installed: where they are, and how they are started. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Daemon } from './process-daemon.ts';
import { freePort } from './process-ports.ts';
import { type Resources, until } from './process-resources.ts';

const FURTHER = ['/usr/sbin', '/usr/local/sbin'];

/** Its path; undefined where it is missing. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FURTHER];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether strace can make system calls fail here. */
export function canRefuseCalls(): boolean {
  return spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
}

/** A folder that is gone after the test. */
export function temporaryFolder(resources: Resources): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-program-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface RunningProgram {
  readonly port: number;
  readonly daemon: Daemon;
  /** Where its files are. */
  readonly folder: string;
}

export interface ProgramOptions {
  readonly name: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Its whole command, for a port and a folder of its own. */
  readonly command: (port: number, folder: string) => readonly [string, ...string[]];
  /** Preloads that make these names known to it alone. */
  readonly hosts?: Readonly<Record<string, string>>;
}

/** Started, and it accepts connections on its port of loopback. */
export async function startProgram(
  resources: Resources,
  options: ProgramOptions,
): Promise<RunningProgram> {
  const port = options.port ?? (await freePort());
  const folder = temporaryFolder(resources);
  const command = options.command(port, folder);
  const env = { ...process.env, ...hostsOf(folder, options.hosts) };
  const daemon = Daemon.start(resources, options.name, command, { env });
  await until(`${options.name} to listen`, async () => !daemon.running || (await accepts(port)));
  if (!daemon.running) throw new Error(`${options.name} ended\n${daemon.tail()}`);
  return { port, daemon, folder };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const settle = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}

/** Debian's libnss-wrapper: names from a file of one's own. */
const ARCHITECTURE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const NSS_WRAPPER = `/usr/lib/${ARCHITECTURE}-linux-gnu/libnss_wrapper.so`;

export function canNameHosts(): boolean {
  return existsSync(NSS_WRAPPER);
}

function hostsOf(folder: string, hosts: ProgramOptions['hosts']): Record<string, string> {
  if (hosts === undefined) return {};
  const file = join(folder, 'hosts');
  const lines = Object.entries(hosts).map(([name, address]) => `${address} ${name}\n`);
  writeFileSync(file, lines.join(''));
  return { LD_PRELOAD: NSS_WRAPPER, NSS_WRAPPER_HOSTS: file };
}
