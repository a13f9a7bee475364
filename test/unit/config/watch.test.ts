import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConfigError } from '../../../ts/config/diagnostics.ts';
import { type LoadedConfig, loadConfig } from '../../../ts/config/load.ts';
import { readWholeFile } from '../../../ts/config/sources.ts';
import { type ConfigWatch, type WatchOptions, watchConfig } from '../../../ts/config/watch.ts';
import type { WatchDirectory } from '../../../ts/config/watch-files.ts';
import { directoriesOf } from '../../../ts/config/watch-links.ts';
import { certificateFile, keyFile, type LeafName, pkcs12File } from '../../helpers/certificates.ts';

const DEBOUNCE = 20;
let directory: string;
let path: string;
let open: ConfigWatch | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'warren-watch-'));
  path = join(directory, 'config.toml');
});

afterEach(() => {
  open?.close();
  rmSync(directory, { recursive: true, force: true });
});

const text = (port: number, rest = '') => `[server]\nbind_addr = "h:${port}"\n${rest}\n`;
const SERVICE = 'services.a = { bind_addr = "h:9", token_file = "token" }';

/** What the watch tells, one after the other. */
function start(options: Partial<WatchOptions> = {}) {
  const told: (LoadedConfig | ConfigError)[] = [];
  const waiting: ((value: LoadedConfig | ConfigError) => void)[] = [];
  const tell = (value: LoadedConfig | ConfigError) => {
    const next = waiting.shift();
    if (next === undefined) told.push(value);
    else next(value);
  };
  const { files, hash } = loadConfig(path);
  open = watchConfig(path, {
    files,
    hash,
    debounceMs: DEBOUNCE,
    onChange: tell,
    onError: tell,
    ...options,
  });
  const next = async () => {
    const value = told.shift();
    return (
      value ?? (await new Promise<LoadedConfig | ConfigError>((resolve) => waiting.push(resolve)))
    );
  };
  return { watch: open, told, next };
}

function portOf(value: LoadedConfig | ConfigError): number | string {
  return 'config' in value ? (value.config.server?.bindAddr.port ?? 'none') : value.message;
}

function replace(file: string, content: string) {
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

test('notices a replacement by rename, again and again', async () => {
  writeFileSync(path, text(1));
  const { next } = start();
  for (const port of [2, 3, 4]) {
    replace(path, text(port));
    expect(portOf(await next())).toBe(port);
  }
});

test('notices truncate-and-write', async () => {
  writeFileSync(path, text(1));
  const { next } = start();
  writeFileSync(path, text(2));
  expect(portOf(await next())).toBe(2);
});

test('notices Kubernetes’ swap of a directory link', async () => {
  const version = (name: string, port: number) => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'config.toml'), text(port));
    symlinkSync(name, join(directory, `..tmp`));
    renameSync(join(directory, '..tmp'), join(directory, '..data'));
  };
  version('..2026_01', 1);
  symlinkSync('..data/config.toml', path);
  const { next } = start();
  version('..2026_02', 2);
  rmSync(join(directory, '..2026_01'), { recursive: true });
  expect(portOf(await next())).toBe(2);
  version('..2026_03', 3);
  expect(portOf(await next())).toBe(3);
});

/** A certificate and its key as certbot keeps them: links into folders that are swapped. */
function renewCertificate(name: LeafName): void {
  const version = `..${name}`;
  mkdirSync(join(directory, version));
  for (const [file, source] of [
    ['c.pem', certificateFile(name)],
    ['c.key', keyFile(name)],
  ] as const) {
    writeFileSync(join(directory, version, file), readFileSync(source));
  }
  symlinkSync(version, join(directory, '..tmp'));
  renameSync(join(directory, '..tmp'), join(directory, '..live'));
}

const TLS = text(1, 'transport = { type = "tcp" }').replace(
  '{ type = "tcp" }',
  '{ type = "tls", tls = { cert = "..live/c.pem", key = "..live/c.key" } }',
);

function leafOf(value: LoadedConfig | ConfigError): string | undefined {
  if (!('config' in value)) return value.message;
  const [first] = value.config.server?.transport.tls?.files.identities[0]?.chain ?? [];
  return first && new X509Certificate(first).subject;
}

test('notices a renewed certificate, also by swapped links, and tells a broken one once', async () => {
  renewCertificate('ecdsa');
  writeFileSync(path, TLS);
  const { next, told } = start();
  renewCertificate('rsa');
  expect(leafOf(await next())).toBe('CN=warren test rsa');
  // Half of a pair: the other file is still the old one's.
  replace(join(directory, '..live', 'c.pem'), readFileSync(certificateFile('client'), 'utf8'));
  expect(leafOf(await next())).toContain('does not belong to a certificate');
  replace(join(directory, '..live', 'c.key'), readFileSync(keyFile('client'), 'utf8'));
  expect(leafOf(await next())).toBe('CN=warren test client');
  expect(told).toEqual([]);
});

test('notices a changed PKCS#12 file', async () => {
  const file = join(directory, 'a.p12');
  writeFileSync(file, readFileSync(pkcs12File('ecdsa')));
  const tls = 'tls = { pkcs12 = "a.p12", pkcs12_password = "test pass" }';
  writeFileSync(path, text(1, `transport = { type = "tls", ${tls} }`));
  const { next } = start();
  writeFileSync(file, readFileSync(pkcs12File('rsa')));
  expect(leafOf(await next())).toBe('CN=warren test rsa');
});

test('notices a changed token file, and follows files that are named later', async () => {
  writeFileSync(join(directory, 'token'), 'a');
  writeFileSync(path, text(1));
  const { next } = start();
  replace(path, text(1, SERVICE));
  await next();
  writeFileSync(join(directory, 'token'), 'b');
  const loaded = await next();
  const token = 'config' in loaded ? loaded.config.server?.services.get('a')?.token : undefined;
  expect(token?.reveal()).toBe('b');
});

test('tells of an unusable file once, and of its mending elsewhere', async () => {
  writeFileSync(path, text(1));
  const { next, told } = start();
  writeFileSync(path, text(2, SERVICE));
  expect(portOf(await next())).toContain('there is no such file');
  writeFileSync(join(directory, 'token'), 'a');
  expect(portOf(await next())).toBe(2);
  expect(told).toEqual([]);
});

test('tells of a deleted file, and of its return', async () => {
  writeFileSync(path, text(1));
  const { next } = start();
  unlinkSync(path);
  expect(portOf(await next())).toContain('there is no such file');
  writeFileSync(path, text(2));
  expect(portOf(await next())).toBe(2);
});

test('tells of a FIFO in the file’s place without reading it, and of the file’s return', async () => {
  writeFileSync(path, text(1));
  const { next } = start();
  execFileSync('mkfifo', [`${path}.new`]);
  renameSync(`${path}.new`, path);
  expect(portOf(await next())).toContain('a FIFO');
  replace(path, text(2));
  expect(portOf(await next())).toBe(2);
});

test('survives the deletion of the whole directory', async () => {
  path = join(directory, 'inner', 'config.toml');
  mkdirSync(join(directory, 'inner'));
  writeFileSync(path, text(1));
  const { next } = start();
  rmSync(join(directory, 'inner'), { recursive: true });
  expect(portOf(await next())).toContain('there is no such file');
  mkdirSync(join(directory, 'inner'));
  writeFileSync(path, text(2));
  expect(portOf(await next())).toBe(2);
});

test('says nothing of a save that changes nothing, nor of half a file', async () => {
  writeFileSync(path, text(1));
  const { next, told } = start();
  replace(path, text(1));
  // Half a file, completed before it has settled; then the change that is to be told.
  truncateSync(path, 12);
  appendFileSync(path, text(1).slice(12));
  truncateSync(path, 12);
  appendFileSync(path, text(7).slice(12));
  expect(portOf(await next())).toBe(7);
  expect(told).toEqual([]);
});

test('notices what changed between loading and watching', async () => {
  writeFileSync(path, text(1));
  const { files, hash } = loadConfig(path);
  writeFileSync(path, text(2));
  const { next } = start({ files, hash });
  expect(portOf(await next())).toBe(2);
});

test('poke looks at once, and says nothing if nothing changed', () => {
  writeFileSync(path, text(1));
  const { watch, told } = start({ debounceMs: 3_600_000 });
  watch.poke();
  expect(told).toEqual([]);
  writeFileSync(path, text(2));
  watch.poke();
  expect(told.map(portOf)).toEqual([2]);
  writeFileSync(path, 'x');
  watch.poke();
  expect(told).toHaveLength(2);
});

test('polls where no watch can be had', async () => {
  writeFileSync(path, text(1));
  const watchDirectory: WatchDirectory = () => {
    throw Object.assign(new Error('limit reached'), { code: 'ENOSPC' });
  };
  const { next } = start({ watchDirectory });
  replace(path, text(2));
  expect(portOf(await next())).toBe(2);
  unlinkSync(path);
  expect(portOf(await next())).toContain('there is no such file');
});

test('polls when a watch fails later', async () => {
  writeFileSync(path, text(1));
  const failures: (() => void)[] = [];
  const watchDirectory: WatchDirectory = (_directory, _onEvent, onError) => {
    failures.push(onError);
    return { close: () => undefined };
  };
  const { next } = start({ watchDirectory });
  for (const fail of failures.splice(0)) fail();
  replace(path, text(2));
  expect(portOf(await next())).toBe(2);
});

test('says nothing after close, and close may be called twice', () => {
  writeFileSync(path, text(1));
  const { watch, told } = start();
  writeFileSync(path, text(2));
  watch.close();
  watch.close();
  watch.poke();
  expect(told).toEqual([]);
});

test('only names on the way to the file matter', () => {
  writeFileSync(path, '');
  mkdirSync(join(directory, 'real'));
  writeFileSync(join(directory, 'real', 'x.toml'), '');
  symlinkSync(join(directory, 'real'), join(directory, 'link'));
  symlinkSync('link/x.toml', join(directory, 'y.toml'));
  const watched = directoriesOf(join(directory, 'y.toml'));
  expect([...(watched.get(directory) ?? [])].toSorted()).toEqual(['link', 'y.toml']);
  expect([...(watched.get(join(directory, 'real')) ?? [])]).toEqual(['x.toml']);
});

test('a circle of links ends', () => {
  symlinkSync('b', join(directory, 'a'));
  symlinkSync('a', join(directory, 'b'));
  expect([...directoriesOf(join(directory, 'a')).keys()]).toEqual([directory]);
});

test('a closed watch leaves nothing that keeps the process alive', async () => {
  writeFileSync(path, text(1));
  const held = () => process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap');
  // A watch of an earlier test is given up by the system a little later.
  await vi.waitFor(() => expect(held()).toEqual([]));
  const { watch } = start();
  expect(held()).not.toEqual([]);
  watch.close();
  await vi.waitFor(() => expect(held()).toEqual([]));
});

describe('step by step', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function startByHand(options: Partial<WatchOptions> = {}) {
    writeFileSync(path, text(1));
    const events: (() => void)[] = [];
    const watchDirectory: WatchDirectory = (_directory, onEvent) => {
      events.push(() => onEvent('config.toml'));
      return { close: () => undefined };
    };
    const { told, watch } = start({ watchDirectory, ...options });
    const look = () => vi.advanceTimersByTime(DEBOUNCE);
    const write = (content: string | Uint8Array) => {
      writeFileSync(path, content);
      for (const event of events) event();
    };
    look();
    return { told, watch, look, write };
  }

  test('close ends every timer', () => {
    const { write } = startByHand();
    write(text(2));
    expect(vi.getTimerCount()).toBe(1);
    open?.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a file is believed when two looks agree', () => {
    const { told, look, write } = startByHand();
    write(text(2));
    look();
    expect(told).toEqual([]);
    write(text(3));
    look();
    expect(told).toEqual([]);
    look();
    expect(told.map(portOf)).toEqual([3]);
    look();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('half a file is given one look more, and not told if it is completed by then', () => {
    const { told, look, write } = startByHand();
    write(text(2).slice(0, 12));
    look();
    look();
    write(text(2));
    look();
    look();
    expect(told.map(portOf)).toEqual([2]);
  });

  test.each(['[server', Buffer.from([0xff, 0xfe])])(
    'an unusable file is told once: %j',
    (broken) => {
      const { told, look, write } = startByHand();
      write(broken);
      look();
      look();
      expect(told).toEqual([]);
      look();
      expect(told).toHaveLength(1);
      write(broken);
      for (let count = 0; count < 5; count += 1) look();
      expect(told).toHaveLength(1);
    },
  );

  describe.each(['EMFILE', 'ENFILE', 'EIO', 'EAGAIN'])('while a read fails with %s', (code) => {
    let failing: string | undefined;
    const readFile = (file: string) => {
      if (failing !== undefined && file.endsWith(failing)) {
        throw Object.assign(new Error(code), { code });
      }
      return readWholeFile(file);
    };
    beforeEach(() => {
      failing = undefined;
      writeFileSync(join(directory, 'token'), 'a');
    });

    test('nothing is told, and every second it is looked at again', () => {
      const { told, look, write } = startByHand({ readFile });
      failing = 'config.toml';
      write(text(2));
      look();
      vi.advanceTimersByTime(10_500);
      expect(told).toEqual([]);
      failing = undefined;
      vi.advanceTimersByTime(1_000);
      look();
      expect(told.map(portOf)).toEqual([2]);
      expect(vi.getTimerCount()).toBe(0);
    });

    test('nothing is told if the content is what it was before', () => {
      const { told, look, write } = startByHand({ readFile });
      failing = 'config.toml';
      write(text(1));
      look();
      failing = undefined;
      vi.advanceTimersByTime(5_000);
      expect(told).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
    });

    test('also of a token file that is named only now, and when poked', () => {
      const { told, watch, write } = startByHand({ readFile });
      failing = 'token';
      write(text(2, SERVICE));
      vi.advanceTimersByTime(5_000);
      watch.poke();
      expect(told).toEqual([]);
      failing = undefined;
      vi.advanceTimersByTime(2_000);
      expect(told.map(portOf)).toEqual([2]);
      failing = 'config.toml';
      watch.poke();
      expect(told).toHaveLength(1);
    });
  });
});
