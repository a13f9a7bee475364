/**
 * OpenSSH through the tunnel: its server started by the current user on loopback, with its own
 * keys.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blobBlocks, blobDigest } from '../../ts/demo/blob.ts';
import { Daemon } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources } from '../helpers/process-resources.ts';
import { Tunnel } from '../helpers/rathole-tunnel.ts';

const SSHD = '/usr/sbin/sshd';
/** Where sshd locks its helpers in when root starts it. */
const PRIVILEGE_SEPARATION = '/run/sshd';
const SIZE = 8 * 1_048_576;
const run = promisify(execFile);

const missing = [SSHD, '/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/scp'].filter(
  (program) => !existsSync(program),
);

describe.skipIf(missing.length > 0)('ssh', () => {
  const resources = new Resources();
  let folder = '';
  let port = 0;
  let options: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'warren-ssh-'));
    resources.defer(() => rmSync(folder, { recursive: true, force: true }));
    const local = await startSshd(resources, folder);
    const tunnel = await Tunnel.open(resources, {
      server: 'warren',
      client: 'warren',
      services: { ssh: { local } },
    });
    port = tunnel.port('ssh');
    options = sshOptions(folder);
  });
  afterAll(() => resources.close());

  test('runs a command and gives its output and exit code', async () => {
    const { stdout } = await run('ssh', [...options, '-p', `${port}`, '127.0.0.1', 'echo through']);
    expect(stdout).toBe('through\n');
    const failed = run('ssh', [...options, '-p', `${port}`, '127.0.0.1', 'exit 7']);
    await expect(failed).rejects.toMatchObject({ code: 7 });
  });

  test('pipes MiBs through cat, both ways at once', async () => {
    const child = spawn('ssh', [...options, '-p', `${port}`, '127.0.0.1', 'cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    resources.defer(() => child.kill());
    const hash = createHash('sha256');
    child.stdout.on('data', (chunk: Buffer) => hash.update(chunk));
    const closed = once(child, 'close');
    await pipeline(Readable.from(blobBlocks(SIZE)), child.stdin);
    expect((await closed)[0]).toBe(0);
    expect(hash.digest('hex')).toBe(blobDigest(SIZE));
  });

  test('copies a file there and back by scp', async () => {
    const [from, there, back] = ['from', 'there', 'back'].map((name) => join(folder, name));
    await pipeline(Readable.from(blobBlocks(SIZE)), createWriteStream(from ?? ''));
    const scp = [...options, '-q', '-P', `${port}`];
    await run('scp', [...scp, from ?? '', `127.0.0.1:${there}`]);
    await run('scp', [...scp, `127.0.0.1:${there}`, back ?? '']);
    const digest = createHash('sha256')
      .update(readFileSync(back ?? ''))
      .digest('hex');
    expect(digest).toBe(blobDigest(SIZE));
  });

  test('holds several sessions at once', async () => {
    const outputs = await Promise.all(
      Array.from({ length: 5 }, async (_none, index) => {
        const command = `echo session ${index}`;
        return (await run('ssh', [...options, '-p', `${port}`, '127.0.0.1', command])).stdout;
      }),
    );
    expect(outputs).toEqual(outputs.map((_text, index) => `session ${index}\n`));
  });
});

/** The port that it listens on. */
async function startSshd(resources: Resources, folder: string): Promise<number> {
  for (const name of ['host', 'user']) {
    const made = spawnSync('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-f',
      join(folder, name),
    ]);
    if (made.status !== 0) throw new Error(`ssh-keygen: ${made.stderr}`);
  }
  if (userInfo().uid === 0 && !existsSync(PRIVILEGE_SEPARATION)) {
    mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
    resources.defer(() => rmdirSync(PRIVILEGE_SEPARATION));
  }
  const config = join(folder, 'sshd_config');
  const lines = [
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'user.pub')}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const port = await freePort();
  const command = [SSHD, '-D', '-e', '-f', config, '-p', `${port}`] as const;
  const sshd = Daemon.start(resources, 'sshd', [...command]);
  await sshd.waitFor('listening', (line) => line.includes('Server listening'));
  return port;
}

function sshOptions(folder: string): string[] {
  const set = {
    IdentityFile: join(folder, 'user'),
    IdentitiesOnly: 'yes',
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: join(folder, 'known_hosts'),
    BatchMode: 'yes',
    LogLevel: 'ERROR',
    ConnectTimeout: '15',
    User: userInfo().username,
  };
  const pairs = Object.entries(set).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  return ['-F', 'none', ...pairs];
}
