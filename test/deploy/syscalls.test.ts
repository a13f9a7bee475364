/**
 * No system call that warren makes is refused by the units' filter. What is refused would only fail
 * with EPERM, which a program may take quietly and do without; so the calls are compared, not the effect.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { blobDigest } from '../../ts/demo/blob.ts';
import { CLI, Daemon, logLine } from '../helpers/process-daemon.ts';
import { freePort } from '../helpers/process-ports.ts';
import { Resources } from '../helpers/process-resources.ts';
import { startLocalTcp, startLocalUdp } from '../helpers/program-local.ts';
import { readBlob, UdpVisitor, upload } from '../helpers/program-visitor.ts';
import { findProgram, temporaryFolder } from '../helpers/programs.ts';
import { enginesHere } from './engines.ts';
import { bind, clientFile, serverFile, type TransportName, to, UDP } from './tunnel-files.ts';

const UNIT = fileURLToPath(
  new URL('../../examples/systemd/warren-server.service', import.meta.url),
);
const LARGE = 32 << 20;
const resources = new Resources();
afterEach(() => resources.close());

const strace = findProgram('strace');
const analyze = findProgram('systemd-analyze');

/** systemd's sets by their names, as it lists them. */
function sets(): Map<string, string[]> {
  const text = execFileSync('systemd-analyze', ['syscall-filter', '--no-pager'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const found = new Map<string, string[]>();
  let members: string[] | undefined;
  for (const line of text.split('\n')) {
    if (/^@/.test(line)) {
      members = [];
      found.set(line.trim(), members);
    } else if (/^\S/.test(line)) members = undefined;
    else if (/^ +[@\w]/.test(line)) members?.push(line.trim());
  }
  return found;
}

/** The calls that a unit's SystemCallFilter= lines leave, in their order. */
function allowedBy(unit: string): Set<string> {
  const known = sets();
  const expand = (name: string): string[] =>
    name.startsWith('@') ? (known.get(name) ?? []).flatMap(expand) : [name];
  // Always allowed by a list that allows anything.
  const allowed = new Set(expand('@default'));
  for (const [, not, names = ''] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    for (const call of names.split(' ').flatMap(expand)) {
      if (not === '~') allowed.delete(call);
      else allowed.add(call);
    }
  }
  return allowed;
}

/** `warren FILE` with its system calls counted into `FILE.calls` when it has ended. */
function startCounted(file: string, engine: string): Daemon {
  const env = { ...process.env, WARREN_ENGINE: engine, WARREN_LOG_FORMAT: 'json' };
  const counted = ['--follow-forks', '--summary-only', `--output=${file}.calls`];
  return Daemon.start(
    resources,
    file,
    ['strace', ...counted, process.execPath, CLI, '--drain-timeout=0', file],
    { env },
  );
}

function callsOf(file: string): string[] {
  const rows = readFileSync(`${file}.calls`, 'utf8').matchAll(/^ *[\d.]+ +[\d.]+ .* (\w+)$/gm);
  return [...rows].map(([, name = '']) => name).filter((name) => name !== 'total');
}

async function usedBy(engine: string, transport: TransportName): Promise<Set<string>> {
  const folder = temporaryFolder(resources);
  const [port, tcp, udp] = [
    await freePort(),
    (await startLocalTcp(resources)).port,
    (await startLocalUdp(resources)).port,
  ];
  const files = [join(folder, 'server.toml'), join(folder, 'client.toml')] as const;
  const there = { stream: bind(0), datagrams: UDP + bind(0) };
  const here = { stream: to(tcp), datagrams: UDP + to(udp) };
  writeFileSync(files[0], serverFile(port, there, transport));
  writeFileSync(files[1], clientFile(port, here, transport));
  const [server, client] = [startCounted(files[0], engine), startCounted(files[1], engine)];
  const portOf = async (service: string): Promise<number> => {
    const record = await server.waitFor(service, logLine('service bound', { service }));
    return Number(String(record['address']).split(':').at(-1));
  };
  const [stream, datagrams] = [await portOf('stream'), await portOf('datagrams')];
  expect(await upload(stream, LARGE)).toBe(blobDigest(LARGE));
  expect(await readBlob(stream, LARGE)).toBe(blobDigest(LARGE));
  await (await UdpVisitor.open(resources, datagrams)).warmUp();
  for (const [daemon, file] of [
    [server, files[0]],
    [client, files[1]],
  ] as const) {
    const { pid } = await daemon.waitFor('its pid', logLine('warren starts'));
    writeFileSync(file, readFileSync(file, 'utf8').replace('stream]', 'renamed]'));
    process.kill(Number(pid), 'SIGHUP');
    await daemon.waitFor('the reload', logLine('configuration applied'));
    process.kill(Number(pid), 'SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
  }
  return new Set(files.flatMap(callsOf));
}

describe.skipIf(strace === undefined || analyze === undefined)('system calls', () => {
  test.each(
    enginesHere().flatMap((engine) =>
      (['tcp', 'noise'] as const).map((transport) => ({ engine, transport })),
    ),
  )(
    'of engine $engine over $transport pass the filter',
    async ({ engine, transport }) => {
      const allowed = allowedBy(readFileSync(UNIT, 'utf8'));
      const used = await usedBy(engine, transport);
      expect(used).toContain('epoll_ctl');
      if (engine === 'rust') expect(used).toContain(transport === 'tcp' ? 'splice' : 'getrandom');
      expect([...used].filter((call) => !allowed.has(call))).toEqual([]);
      // And it is a filter.
      expect(allowed).not.toContain('chown');
      expect(allowed).not.toContain('ptrace');
    },
    60_000,
  );
});
