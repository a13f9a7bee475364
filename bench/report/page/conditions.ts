// What is compared and how, on what machine, what was left out, and how to do it again.

import { readOptions } from '../../load/options.ts';
import { type Document, subjectOf } from '../document.ts';
import { count, duration, number } from '../numbers.ts';
import { aboutPeer, BASELINE } from '../peers.ts';
import { STANDING_RULE } from '../standing.ts';
import { bold, escaped, list, markdownTable } from './markdown.ts';

export function howToRead(document: Document): string[] {
  const { machine, peers, extent } = document;
  const subject = escaped(subjectOf(document) ?? 'warren');
  return [
    ...list([
      `${bold('What is compared.')} Every tunnel is two real processes, a server and a client, between the same load and the same sink. In each round every row meets every peer in random order, so that a machine whose speed drifts is the same for all.`,
      `${bold('Figures')} are medians of the rounds (${extent.rounds}; over other transports than plain TCP ${extent.transportRounds}, of memory ${extent.memoryRounds}), with the lowest and the highest round in brackets. \`+\` is better, \`!\` worse, \`=\` no difference beyond noise: it counts where ${STANDING_RULE}. Where ranges overlap, even that may be chance.`,
      `${bold('Ratios matter, not absolute numbers.')} ${subject} over a peer, both from this run. Another machine has other numbers; the ratios move less.`,
      `${bold('This is CPU, not a network.')} Everything runs on loopback, and load, tunnel and sink share ${count(machine.cores, 'core')}: Gbit/s say how much CPU a byte costs, and a tunnel that needs less leaves more to the load. CPU per GB, per visitor and per datagram are the tunnel's own, from /proc.`,
      `${bold('Congestion control')} is ${escaped(machine.congestion)} (${escaped(machine.congestionSource)}), asked of a connection of the run.`,
      `${bold('Without a tunnel')} (${BASELINE}) there is no transport: beside rows over Noise, TLS and WebSocket stands what plain TCP did without one.`,
      `${bold('Levels of memory')} are both ends together.`,
    ]),
    '',
    'The peers:',
    '',
    ...markdownTable(
      ['peer', 'stands for'],
      peers.map(({ name }) => [name, aboutPeer(name) ?? 'a further build or setting of this run']),
      ['left', 'left'],
    ),
  ];
}

export function conditions({ machine, peers, extent, seconds, disturbed }: Document): string[] {
  const { rounds, transportRounds, transportSeconds, memoryRounds, tries } = extent;
  const facts = [
    ['date', machine.date],
    ['commit', machine.commit],
    ['machine', `${machine.cores} x ${machine.cpu}, ${machine.memoryGib} GiB`],
    ['kernel', `Linux ${machine.kernel}`],
    ['load before the run', machine.loadBefore.toFixed(2)],
    ['congestion control', `${machine.congestion} (${machine.congestionSource})`],
    ['Node', machine.node],
    ...machine.tools.map(({ name, version }) => [name, version]),
    ['level', extent.level],
    ['rounds', `${rounds}; other transports ${transportRounds}; memory ${memoryRounds}`],
    ['length of a timed run', `${extent.seconds} s; other transports ${transportSeconds} s`],
    ['tries for a calm run', String(tries)],
    ['the whole run took', duration(seconds)],
    [
      'disturbed runs',
      `${disturbed.cells} of ${disturbed.of}${disturbed.of === 0 ? '' : ` (${number((100 * disturbed.cells) / disturbed.of)} %)`}: other programs used more than 0.3 cores`,
    ],
  ];
  const versions = peers
    .filter(({ name }) => name !== BASELINE)
    .map(({ name, version, engine }) => [name, version, engine ?? '-']);
  return [
    ...markdownTable(['', ''], facts, ['left', 'left']),
    '',
    ...markdownTable(['peer', 'version', 'engine in both logs'], versions, [
      'left',
      'left',
      'left',
    ]),
  ];
}

export function leftOut({ missing, failures }: Document): string[] {
  if (missing.length + failures.length === 0) {
    return ['Nothing was left out, and no run failed.'];
  }
  return [
    ...list(missing.map(({ name, reason }) => `${bold(name)}: ${escaped(reason)}`)),
    ...(missing.length > 0 && failures.length > 0 ? [''] : []),
    ...(failures.length > 0 ? [`${count(failures.length, 'run')} failed:`, ''] : []),
    ...list(
      failures.map(
        ({ row, peer, round, message }) =>
          `\`${row}\`, ${escaped(peer)}, round ${round}: ${escaped(message)}`,
      ),
    ),
  ];
}

export function repeating(document: Document): string[] {
  const { machine } = document;
  const path = `bench/results/${machine.date.slice(0, 10)}-${machine.commit}.json`;
  return [
    'The other tunnels are found by these variables or on PATH; what is missing is named and left out. It needs cargo. With root it runs in network namespaces of its own; without, on the loopback of the machine and without the rows of 20 ms.',
    '',
    '```sh',
    `git checkout ${machine.commit} && npm ci`,
    'export WARREN_RATHOLE=/path/to/rathole WARREN_FRPS=/path/to/frps WARREN_FRPC=/path/to/frpc',
    `npm run bench${flags(document)}     # ends with the path of results.json, report.md and the plots`,
    `npm run bench:report -- ${path} --page docs/benchmark.md   # this page again`,
    '```',
  ];
}

/** The flags of the level, and where the run had others than that, those too. */
function flags({ extent }: Document): string {
  const level = extent.level === 'usual' ? [] : [`--${extent.level}`];
  const usual = readOptions(level);
  if (typeof usual === 'string') return '';
  const changed = (['rounds', 'seconds'] as const).filter((key) => usual[key] !== extent[key]);
  const all = [...level, ...changed.map((key) => `--${key} ${extent[key]}`)];
  return all.length === 0 ? '' : ` -- ${all.join(' ')}`;
}
