/**
 * What there is to test with, told once before the first file: engines, and programs that tests use
 * where they are installed. What is missing is named with what is not tested without it.
 */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { type SurveyedEngine, surveyEngines } from '../../ts/engine/survey.ts';
import { ADDON_PORTABLE } from './addon-binding.ts';
import { BASH_COMPLETION } from './completion-shells.ts';
import { canNameHosts, canRefuseCalls, findProgram } from './programs.ts';
import { findRathole } from './rathole-binary.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Means {
  readonly name: string;
  readonly without: string;
  /** Undefined, or why it cannot be used. */
  readonly missing: () => string | undefined;
}

function program(name: string, without: string): Means {
  return { name, without, missing: () => (findProgram(name) ? undefined : `no ${name} program`) };
}

const MEANS: readonly Means[] = [
  {
    name: 'portable addon',
    without: 'the addon as it is without epoll and splice',
    missing: () => (ADDON_PORTABLE ? undefined : 'npm run build:addon -- --portable'),
  },
  { name: 'rathole', without: 'against the original', missing: missingRathole },
  program('openssl', 'TLS'),
  program('nginx', 'WebSocket behind nginx'),
  program('tinyproxy', 'HTTP proxies'),
  program('microsocks', 'SOCKS proxies'),
  {
    name: 'libnss_wrapper',
    without: 'names that only a proxy knows',
    missing: () => (canNameHosts() ? undefined : 'no libnss_wrapper'),
  },
  ...['sshd', 'ssh', 'ssh-keygen', 'scp'].map((name) => program(name, 'ssh through a tunnel')),
  program('wrk', 'HTTP load'),
  program('iperf3', 'iperf3 through a tunnel'),
  program('cc', 'socket options and names as the system sees them'),
  program('python3', 'datagrams from port 0'),
  ...['bash', 'script', 'zsh', 'fish'].map((name) => program(name, 'completions in that shell')),
  {
    name: 'bash-completion',
    without: 'completions that this package finds',
    missing: () => (existsSync(BASH_COMPLETION) ? undefined : `no file ${BASH_COMPLETION}`),
  },
  ...['mandoc', 'groff'].map((name) => program(name, 'the man page in that reader')),
  {
    name: 'strace',
    without: 'an engine whose system calls are refused',
    missing: () => (canRefuseCalls() ? undefined : 'no strace, or not allowed'),
  },
];

export function setup(project: TestProject): void {
  // The suites of engines beside each other are several projects of one run.
  if (project.vitest.projects[0] !== project) return;
  // Not to stdout: a reporter may write a document there.
  process.stderr.write(`${surveyText().join('\n')}\n`);
}

function surveyText(): string[] {
  const { engines } = surveyEngines('auto');
  const found: string[] = [];
  const lacking = new Map<string, string[]>();
  for (const { name, without, missing } of MEANS) {
    const reason = missing();
    if (reason === undefined) found.push(name);
    else lacking.set(without, [...(lacking.get(without) ?? []), reason]);
  }
  return [
    `engines: ${engines.map(engineText).join(' · ')}`,
    `programs: ${found.join(', ') || 'none'}`,
    ...Array.from(
      lacking,
      ([without, reasons]) => `not tested: ${without} (${reasons.join(', ')})`,
    ),
  ];
}

function engineText({ name, state, addon, reasons }: SurveyedEngine): string {
  if (state !== 'usable') return `${name} ${state}: ${reasons.join('; ')}`;
  return addon === undefined ? name : `${name} (${relative(ROOT, addon)})`;
}

function missingRathole(): string | undefined {
  const found = findRathole();
  return 'reason' in found ? found.reason : undefined;
}
