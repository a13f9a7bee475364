/** A real systemd with warren's units, for tests: started by systemd-host.sh, asked by systemctl. */
import { execFile } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Daemon } from '../helpers/process-daemon.ts';
import { type Resources, until } from '../helpers/process-resources.ts';
import { temporaryFolder } from '../helpers/programs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EXAMPLES = join(ROOT, 'examples/systemd');
const SCRIPT = fileURLToPath(new URL('systemd-host.sh', import.meta.url));
const SYSTEMD = '/lib/systemd/systemd';
const SYSTEM_UNITS = '/lib/systemd/system';
const JOURNAL = [
  'systemd-journald.service',
  'systemd-journald.socket',
  'systemd-journald-dev-log.socket',
];
const TARGETS = ['sysinit', 'shutdown', 'network-online', 'multi-user'];
/** The group `warren` of the example's README. */
const GROUP = 990;

const run = promisify(execFile);

export interface HostFiles {
  /** Configuration files by their names in /etc/warren. */
  readonly configs: Readonly<Record<string, string>>;
  /** Drop-ins by unit. */
  readonly dropIns: Readonly<Record<string, string>>;
}

export class SystemdHost {
  readonly #pid: string;
  readonly #daemon: Daemon;

  private constructor(pid: string, daemon: Daemon) {
    this.#pid = pid;
    this.#daemon = daemon;
  }

  /** Undefined, with the reason, where this machine does not let one run. */
  static async start(
    resources: Resources,
    files: HostFiles,
  ): Promise<SystemdHost | { readonly cannot: string }> {
    if (process.getuid?.() !== 0) return { cannot: 'not root' };
    if (!existsSync(SYSTEMD)) return { cannot: `no ${SYSTEMD}` };
    const folder = temporaryFolder(resources);
    writeFiles(folder, files);
    // Ends with this process, however that ends.
    const bound = ['setpriv', '--pdeathsig', 'TERM'] as const;
    const command = [...bound, 'bash', SCRIPT, folder, ROOT, process.execPath] as const;
    const daemon = Daemon.start(resources, 'systemd', command);
    // Not SIGKILL: it takes its mounts and cgroups down.
    resources.defer(() => daemon.stop());
    try {
      const pid = await daemon.waitFor('its start', (line) => /^systemd (\d+)$/.exec(line)?.[1]);
      const host = new SystemdHost(pid, daemon);
      await until('basic.target', async () => {
        if (!daemon.running) return true;
        return (await host.run('systemctl', 'is-active', 'basic.target')) === 'active';
      });
      if (!daemon.running) throw new Error(daemon.tail());
      return host;
    } catch (error) {
      if (daemon.running) throw error;
      return { cannot: daemon.tail() };
    }
  }

  /** What a program prints, started inside. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', [...this.#into, program, ...args]);
    return stdout.trim();
  }

  async systemctl(...args: readonly string[]): Promise<void> {
    await this.run('systemctl', ...args);
  }

  /** What systemd knows of a unit. */
  async show(unit: string): Promise<Record<string, string>> {
    const lines = (await this.run('systemctl', 'show', unit)).split('\n');
    return Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }

  /** A unit's log from now on. Read from outside: nothing of it lives on inside. */
  async journal(resources: Resources, unit: string): Promise<Daemon> {
    await this.run('journalctl', '--sync');
    const journal = `--directory=${this.path('run/log/journal')}`;
    const { stdout } = await run('journalctl', [journal, '--lines=1', '--output=json']);
    const { __CURSOR: cursor } = JSON.parse(stdout) as { __CURSOR: string };
    const what = ['--follow', '--output=cat', `--unit=${unit}`, `--after-cursor=${cursor}`];
    return Daemon.start(resources, unit, ['journalctl', journal, ...what]);
  }

  /** A file of the host's, as /proc of this machine has it. */
  path(name: string): string {
    return join('/proc', this.#pid, 'root', name);
  }

  tail(): string {
    return this.#daemon.tail();
  }

  get #into(): readonly string[] {
    const namespaces = ['--mount', '--uts', '--ipc', '--pid', '--cgroup', '--root', '--wd'];
    return ['--target', this.#pid, ...namespaces];
  }
}

function writeFiles(folder: string, { configs, dropIns }: HostFiles): void {
  const units = join(folder, 'units');
  const config = join(folder, 'etc/warren');
  mkdirSync(units);
  mkdirSync(join(folder, 'etc'));
  mkdirSync(config, { mode: 0o750 });
  chownSync(config, 0, GROUP);
  const groups = readFileSync('/etc/group', 'utf8');
  writeFileSync(join(folder, 'etc/group'), `${groups}warren:x:${GROUP}:\n`);
  for (const [name, text] of Object.entries(configs)) {
    writeFileSync(join(config, name), text, { mode: 0o640 });
    chownSync(join(config, name), 0, GROUP);
  }
  for (const name of readdirSync(EXAMPLES).filter((file) => file.endsWith('.service'))) {
    cpSync(join(EXAMPLES, name), join(units, name));
  }
  for (const [unit, text] of Object.entries(dropIns)) {
    mkdirSync(join(units, `${unit}.d`));
    writeFileSync(join(units, `${unit}.d`, 'test.conf'), text);
  }
  for (const name of JOURNAL) cpSync(join(SYSTEM_UNITS, name), join(units, name));
  const bare = '[Unit]\nDefaultDependencies=no\n';
  for (const name of TARGETS) writeFileSync(join(units, `${name}.target`), bare);
  writeFileSync(
    join(units, 'basic.target'),
    `${bare}Wants=systemd-journald.service\nAfter=systemd-journald.service\n`,
  );
}
