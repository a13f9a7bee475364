/** The program as its users meet it: exit codes, messages, what it never prints. */
import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments } from '../../ts/commands/arguments.ts';
import { CLI, CliWorld, runCli } from '../helpers/cli.ts';

const TOKEN = 'hunter2-never-print-me';
const SERVER = `[server]
bind_addr = "127.0.0.1:0"
default_token = "${TOKEN}"
services = {}
`;
const CLIENT = `[client]
remote_addr = "127.0.0.1:1"
default_token = "${TOKEN}"
services = {}
`;

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

describe('help and version', () => {
  it('prints help with commands, options, environment and every exit code, and ends with 0', async () => {
    for (const flag of ['-h', '--help']) {
      const { code, stdout, stderr } = await runCli([flag]);
      expect(code).toBe(0);
      expect(stderr).toBe('');
      for (const word of [
        'check',
        'demo',
        'genkey',
        'status',
        'completion',
        '--server',
        '--drain-timeout',
        'WARREN_LOG',
        'SIGHUP',
      ]) {
        expect(stdout).toContain(word);
      }
      for (const exit of ['  0 ', '  1 ', '  2 ', '  3 ', '  70 ', '  128+n ']) {
        expect(stdout).toContain(exit);
      }
    }
  });

  it('prints help for one command', async () => {
    const { code, stdout } = await runCli(['demo', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--size');
    expect(stdout).not.toContain('--server');
  });

  it('prints its version, and more when asked', async () => {
    for (const flag of ['-V', '--version']) {
      expect(await runCli([flag])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^warren \d+\.\d+\.\d+\n$/),
      });
    }
    const { code, stdout } = await runCli(['--version', '--verbose']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +(rust|addon|typescript)$/m);
    expect(stdout).toContain(process.version);
    expect(stdout).toContain(process.platform);
  });
});

describe('a flag works in front of the file and behind it', () => {
  const flags: readonly (readonly [words: string[], meaning: object])[] = [
    [['-s'], { role: 'server' }],
    [['--server'], { role: 'server' }],
    [['-c'], { role: 'client' }],
    [['--client'], { role: 'client' }],
    [['--access-log'], { accessLog: true }],
    [['--access-log', '--access-log'], { accessLog: true }],
    [['--server', '--access-log'], { role: 'server', accessLog: true }],
    [['--access-log', '--client'], { role: 'client', accessLog: true }],
    [['--drain-timeout', '3', '--access-log'], { drainMs: 3_000, accessLog: true }],
    [['--drain-timeout=3'], { drainMs: 3_000 }],
  ];
  it.each(flags)('%j', (words, meaning) => {
    for (const file of ['a.toml', '007', 'true', 'false']) {
      const expected = { verb: 'run', file, ...meaning };
      expect(parseArguments([...words, file])).toMatchObject(expected);
      expect(parseArguments([file, ...words])).toMatchObject(expected);
      expect(parseArguments([...words, '--', file])).toMatchObject(expected);
    }
  });

  it.each([
    [['-h'], 'help'],
    [['--help'], 'help'],
    [['-V'], 'version'],
    [['--version'], 'version'],
    [['--version', '--verbose'], 'version'],
    [['--verbose', '--version'], 'version'],
  ] as const)('%j', (words, verb) => {
    expect(parseArguments([...words, 'a.toml'])).toMatchObject({ verb });
    expect(parseArguments(['a.toml', ...words])).toMatchObject({ verb });
  });

  it.each(['007', '0x10', '1e3', '.5', ' ', 'true', 'a=b'])(
    'genkey --out %j is taken as typed',
    (out) => {
      const expected = { verb: 'genkey', out };
      expect(parseArguments(['genkey', '--out', out])).toMatchObject(expected);
      expect(parseArguments(['genkey', `--out=${out}`, '--json'])).toMatchObject(expected);
    },
  );

  it.each([[['--out', '']], [['--out=']], [['--out', 'a', '--out', 'b']]])(
    'genkey %j is no beginning of a file name',
    (words) => {
      expect(() => parseArguments(['genkey', ...words])).toThrow('--out');
    },
  );

  it('what follows -- is a file, also when it looks like a flag', () => {
    expect(parseArguments(['--', '--access-log'])).toMatchObject({
      file: '--access-log',
      accessLog: false,
    });
  });
});

describe('usage errors end with 2 and a hint', () => {
  const cases: readonly (readonly [args: string[], message: string])[] = [
    [[], 'no configuration file'],
    [['--bogus', 'a.toml'], '--bogus'],
    [['-x', 'a.toml'], '-x'],
    [['a.toml', 'b.toml'], 'unexpected argument: b.toml'],
    [['-s', '-c', 'a.toml'], 'exclude each other'],
    [['-sc', 'a.toml'], 'exclude each other'],
    [['--drain-timeout', 'soon', 'a.toml'], '--drain-timeout takes a number'],
    [['a.toml', '--drain-timeout'], 'value is missing'],
    [['a.toml', '--drain-timeout=-1'], '--drain-timeout takes a number'],
    [['check'], 'no configuration file'],
    [['check', 'a.toml', 'b.toml'], 'unexpected argument: b.toml'],
    [['check', '-s', '-c', 'a.toml'], 'exclude each other'],
    [['demo', 'now'], 'unexpected argument: now'],
    [['demo', '--size', '0'], '--size takes a number'],
    [['--genkey', 'a.toml'], '--genkey takes x25519'],
    [['--genkey', 'x25519', 'a.toml'], 'unexpected argument: a.toml'],
    [['genkey', 'x25519'], 'unexpected argument: x25519'],
    [['genkey', '--force'], '--force is for --out'],
    [['genkey', '--out'], 'value is missing'],
    [['check', '--json', 'a.toml'], '--json'],
    [['status', 'a.toml'], 'unexpected argument: a.toml'],
    [['completion'], 'completion takes a shell: bash, zsh, fish'],
    [['completion', 'ksh'], 'completion takes a shell: bash, zsh, fish'],
    [['completion', 'bash', 'zsh'], 'unexpected argument: zsh'],
  ];
  it.each(cases)('%j', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('warren --help');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('a file with both roles needs a flag, and the error says which', async () => {
    const file = world.file('both.toml', SERVER + CLIENT);
    const { code, stderr } = await runCli([file]);
    expect(code).toBe(2);
    expect(stderr).toContain('--server or --client');
    expect(stderr).not.toContain(TOKEN);
  });
});

describe('configuration errors end with 1', () => {
  it('a file that is not there', async () => {
    for (const args of [['/nowhere/a.toml'], ['check', '/nowhere/a.toml']]) {
      const { code, stderr } = await runCli(args);
      expect(code).toBe(1);
      expect(stderr).toContain('/nowhere/a.toml');
    }
  });

  it('takes the file name as it was typed, also when it looks like a number', async () => {
    for (const args of [['007'], ['--', '007']]) {
      const { code, stderr } = await runCli(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^007: error/);
    }
  });

  it('every problem of the file at once, with its place, and no secret', async () => {
    const bad = `${SERVER.replace('bind_addr', 'bind_adr')}[server.transport]\ntype = "tpc"\n`;
    const file = world.file('bad.toml', bad);
    for (const args of [[file], ['check', file]]) {
      const { code, stdout, stderr } = await runCli(args);
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain(`${file}:2:1: error`);
      expect(stderr).toContain('bind_addr');
      expect(stderr).toContain('tpc');
      expect(stderr).not.toContain(TOKEN);
    }
  });

  it('a flag whose section the file does not have', async () => {
    const server = await runCli(['--client', world.file('s.toml', SERVER)]);
    expect(server).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no [client] section'),
    });
    const client = await runCli(['-s', world.file('c.toml', CLIENT)]);
    expect(client).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no [server] section'),
    });
  });
});

describe('check', () => {
  it('prints the effective configuration with secrets masked, and ends with 0', async () => {
    const file = world.file(
      'ok.toml',
      `${SERVER.replace('services = {}\n', '')}[server.services.web]\nbind_addr = "127.0.0.1:0"\n`,
    );
    const { code, stdout, stderr } = await runCli(['check', file]);
    expect(code).toBe(0);
    expect(stdout).toContain('[server.services.web]');
    expect(stdout).toContain('heartbeat_interval = 30');
    expect(stdout).toMatch(/token = "\*+"/);
    expect(stderr).toContain('ok.toml: ok\n');
    expect(stdout + stderr).not.toContain(TOKEN);
  });

  it('prints warnings, which are no errors', async () => {
    const file = world.file('warn.toml', `${CLIENT}retry_interval = 0\n`);
    const { code, stderr } = await runCli(['check', file]);
    expect(code).toBe(0);
    expect(stderr).toContain('warning');
    expect(stderr).toContain('retry_interval');
    expect(stderr).toContain('ok, 1 warning');
  });

  it('takes a file with both roles', async () => {
    const { code, stdout } = await runCli(['check', world.file('both.toml', SERVER + CLIENT)]);
    expect(code).toBe(0);
    expect(stdout).toContain('[server]');
    expect(stdout).toContain('[client]');
  });

  it('asks for the certificates of one role only, where it is told which', async () => {
    const tls = '[server.transport]\ntype = "tls"\n[server.transport.tls]\ncert = "a"\nkey = "b"\n';
    const file = world.file('both-tls.toml', SERVER + tls + CLIENT);
    expect((await runCli(['check', file])).code).toBe(1);
    expect((await runCli(['check', '--server', file])).code).toBe(1);
    expect((await runCli(['check', '--client', file])).code).toBe(0);
    const { code, stderr } = await runCli(['check', '--client', world.file('s.toml', SERVER)]);
    expect(code).toBe(1);
    expect(stderr).toContain('no [client] section');
  });
});

describe('failing to start ends with 3', () => {
  it('an address in use, with a remedy', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    try {
      const file = world.file('s.toml', SERVER.replace(':0', `:${port}`));
      const { code, stdout, stderr } = await runCli([file]);
      expect(code).toBe(3);
      expect(stderr).toContain(`127.0.0.1:${port}`);
      expect(stderr).toContain('EADDRINUSE');
      expect(stderr).toContain('remedy');
      expect(stdout).toContain('"code":"WARREN_E_BIND"');
      expect(stdout + stderr).not.toContain(TOKEN);
    } finally {
      taken.close();
    }
  });
});

describe('keys', () => {
  const PAIR = /^Private Key:\n([A-Za-z0-9+/]{43}=)\n\nPublic Key:\n([A-Za-z0-9+/]{43}=)\n$/;

  /** The public half by node:crypto, from the private one. */
  function publicOf(privateKey: string): string {
    const prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
    const der = Buffer.concat([prefix, Buffer.from(privateKey, 'base64')]);
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
    return Buffer.from(x, 'base64url').toString('base64');
  }

  it.each([[['--genkey']], [['--genkey', 'x25519']], [['genkey']]])(
    '%j prints a pair as rathole does',
    async (args) => {
      const { code, stdout, stderr } = await runCli(args);
      const [, privateKey = '', publicKey] = PAIR.exec(stdout) ?? [];
      expect(publicOf(privateKey)).toBe(publicKey);
      expect([code, stderr]).toEqual([0, '']);
    },
  );

  it('x448 is refused with 1', async () => {
    const { code, stdout, stderr } = await runCli(['--genkey', 'x448']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('x448');
  });

  it('--json', async () => {
    const { stdout } = await runCli(['genkey', '--json']);
    const { curve, privateKey, publicKey } = JSON.parse(stdout);
    expect([curve, publicOf(privateKey)]).toEqual(['x25519', publicKey]);
  });

  it('--out writes the private key for its owner only, and overwrites nothing unasked', async () => {
    const prefix = world.file('noise', '');
    const read = () => readFileSync(`${prefix}.key`, 'utf8');
    const first = await runCli(['genkey', '--out', prefix]);
    expect(first.stdout).toContain(`${prefix}.key`);
    expect(first.stdout).not.toContain(read().trim());
    expect(publicOf(read())).toBe(readFileSync(`${prefix}.pub`, 'utf8').trim());
    expect(statSync(`${prefix}.key`).mode & 0o777).toBe(0o600);
    const before = read();
    const again = await runCli(['genkey', '--out', prefix]);
    expect([again.code, again.stdout, read()]).toEqual([1, '', before]);
    expect(again.stderr).toContain('--force');
    const forced = await runCli(['genkey', '--json', '--force', '--out', prefix]);
    expect(forced.code).toBe(0);
    const { privateKeyFile, publicKey, privateKey } = JSON.parse(forced.stdout);
    expect([privateKeyFile, privateKey]).toEqual([`${prefix}.key`, undefined]);
    expect(publicOf(read())).toBe(publicKey);
    expect(read()).not.toBe(before);
  });

  it('--out where nothing can be written ends with 1', async () => {
    const { code, stderr } = await runCli(['genkey', '--out', '/nonexistent/x']);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot be written');
  });
});

describe('what only an editor can mend ends with 1', () => {
  it('a certificate that cannot be read; check says the same', async () => {
    const tls = `[server.transport]\ntype = "tls"\n[server.transport.tls]
pkcs12 = "gone.p12"\npkcs12_password = "hunter2"\n`;
    const file = world.file('tls.toml', SERVER + tls);
    for (const args of [[file], ['check', file]]) {
      const { code, stdout, stderr } = await runCli(args);
      expect(code).toBe(1);
      expect(stderr).toContain('tls.pkcs12: the file cannot be read: there is no such file');
      expect(stdout + stderr).not.toContain('hunter2');
    }
  });

  it('an engine that cannot be had', async () => {
    const file = world.file('s.toml', SERVER);
    const { code, stderr } = await runCli([file], { WARREN_ENGINE: 'java' });
    expect(code).toBe(1);
    expect(stderr).toContain('WARREN_ENGINE=java: no such engine');
  });
});

describe('output that cannot be written ends with 1 and one plain line', () => {
  const sh = (words: string) =>
    spawnSync('sh', ['-c', `"$0" "$1" ${words}`, process.execPath, CLI], { encoding: 'utf8' });

  it.each(['--help', 'check --help', '--version', 'status', 'completion fish'])('%s', (words) => {
    const { status, stderr } = sh(`${words} > /dev/full`);
    expect(stderr).toMatch(/^warren: standard output cannot be written: .*no space left.*\n$/i);
    expect(status).toBe(1);
  });

  it('check', () => {
    const file = world.file('ok.toml', SERVER);
    const { status, stderr } = sh(`check '${file}' > /dev/full`);
    expect(stderr).toMatch(/^warren: standard output cannot be written: .*no space left.*\n$/i);
    expect(status).toBe(1);
    // The exit code is the verdict where standard error takes none.
    expect(sh(`check '${file}' 2> /dev/full`).status).toBe(0);
    expect(sh('check /nowhere/a.toml 2> /dev/full').status).toBe(1);
  });

  it('a reader that has enough is no failure', () => {
    const file = world.file('ok.toml', SERVER);
    expect(sh(`check '${file}' | true`)).toMatchObject({ status: 0 });
    expect(sh(`check '${file}' | head -1`)).toMatchObject({ stdout: '[server]\n', status: 0 });
  });
});

describe('a fault inside ends with 70 and is told', () => {
  const faults: readonly (readonly [kind: string, code: string])[] = [
    ['an exception that nobody caught', 'throw new Error("boom-42")'],
    ['a rejection that nobody handled', 'Promise.reject(new Error("boom-42"))'],
  ];
  it.each(faults)('%s', async (_, code) => {
    const script = encodeURIComponent(`process.once('SIGUSR2', () => { ${code} });`);
    const daemon = world.start([world.file('s.toml', SERVER)], {}, [
      '--import',
      `data:text/javascript,${script}`,
    ]);
    await daemon.waitForLog('warren ready');
    daemon.kill('SIGUSR2');
    const ended = await daemon.ended;
    expect(ended.code).toBe(70);
    expect(ended.stderr).toContain('boom-42');
    expect(daemon.logLines.find(({ msg }) => msg === 'internal fault')).toMatchObject({
      level: 'error',
      error: 'boom-42',
    });
  });
});
