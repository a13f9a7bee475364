// The report on the terminal: what went wrong first, a narrow table a row, the targets last.

import type { Metric } from '../load/rows/row.ts';
import { withBaselines } from './baseline.ts';
import { type Document, type DocumentRow, subjectOf } from './document.ts';
import {
  mainMetric,
  measuredIn,
  ofBaseline,
  ownMetrics,
  peersIn,
  ratioCell,
  summary,
} from './figures.ts';
import { count, duration, figure, number } from './numbers.ts';
import { BASELINE } from './peers.ts';
import { type Line, narrowed, renderTable, wrapped } from './table.ts';
import { type Outcome, outcome, verdictWords } from './verdicts.ts';

const WIDTH = 118;
const INDENT = '  ';
/** What stands in front of a line of text. */
const LABEL = 16;

export function terminalReport(measured: Document): string {
  const document = withBaselines(measured);
  const lines = [
    ...header(document),
    '',
    ...troubles(document),
    '',
    ...howToRead(document),
    ...document.rows.flatMap((row) => ['', ...rowTable(document, row)]),
    ...threadTable(document),
    ...targetLines(document),
  ];
  return `${lines.join('\n')}\n`;
}

function labelled(label: string, text: string): string[] {
  return wrapped(text, WIDTH - LABEL, '').map(
    (line, index) => `${(index === 0 ? label : '').padEnd(LABEL)}${line}`,
  );
}

function header({ machine, peers, extent, seconds }: Document): string[] {
  const versions = peers
    .filter(({ name }) => name !== BASELINE)
    .map(({ name, version, engine }) => {
      const engineOf = engine === null ? '' : `, engine ${engine}`;
      return `${name} ${version}${engineOf}`;
    });
  const tools = machine.tools.map(({ name, version }) => `${name} ${version}`);
  const { rounds, memoryRounds, transportRounds, transportSeconds } = extent;
  return [
    ...labelled('date', `${machine.date}, repository at ${machine.commit}`),
    ...labelled(
      'machine',
      `${machine.cores} x ${machine.cpu}, ${machine.memoryGib} GiB, Linux ${machine.kernel}, load ${machine.loadBefore.toFixed(2)} before`,
    ),
    ...labelled('congestion', `${machine.congestion} (${machine.congestionSource})`),
    ...labelled('versions', [...versions, ...tools, `Node ${machine.node}`].join('; ')),
    ...labelled(
      'method',
      `${count(rounds, 'round')} interleaved in random order, runs of ${extent.seconds} s; over other transports than tcp ${count(transportRounds, 'round')} of ${transportSeconds} s; of memory ${count(memoryRounds, 'round')}; took ${duration(seconds)}`,
    ),
  ];
}

function troubles({ missing, failures, disturbed, extent }: Document): string[] {
  const noisy = `${disturbed.cells} of ${count(disturbed.of, 'run')} stayed disturbed by other programs (over 0.3 cores) after ${count(extent.tries, 'try').replace('trys', 'tries')}.`;
  return [
    ...missing.flatMap(({ name, reason }) =>
      labelled('left out', `${name}: ${reason.replaceAll('\n', ' | ')}`),
    ),
    ...failures.flatMap(({ row, peer, round, message }) =>
      labelled('failed', `${row}, ${peer}, round ${round}: ${message.replaceAll('\n', ' | ')}`),
    ),
    ...(missing.length + failures.length === 0 ? ['Nothing was left out and nothing failed.'] : []),
    noisy,
  ];
}

function howToRead(document: Document): string[] {
  const subject = subjectOf(document);
  const ratios =
    subject === undefined
      ? ''
      : ` "ratio" is ${subject} over the peer of that line: + better, ! worse, = within noise.`;
  return wrapped(
    `Medians of all rounds (min-max).${ratios} "of direct" is the part of what goes without a tunnel. "-" stands for what does not apply or failed. Columns that do not fit are in the page.`,
    WIDTH,
    '',
  );
}

/** Main figure, ratio, part of the tunnel-less figure, CPU; then what else fits. */
function rowTable(document: Document, row: DocumentRow): string[] {
  const main = mainMetric(row);
  if (main === undefined) return [];
  const names = measuredIn(document, row);
  const cpu = ownMetrics(row).filter(({ key }) => key === 'cpu');
  const others = ownMetrics(row).filter((metric) => metric !== main && !isOfCpu(metric));
  const hasBaseline = names.some((name) => ofBaseline(row, main, name) !== undefined);
  const lines = names.map((name): Line => {
    const part = ofBaseline(row, main, name);
    return {
      name: `${INDENT}${name}`,
      cells: [
        figure(summary(row, main.key, name)),
        ratioCell(document, row, main, name),
        ...(hasBaseline ? [part === undefined ? '' : `${number(part)} %`] : []),
        ...cpu.map(({ key }) => figure(summary(row, key, name))),
        ...others.map(({ key }) => number(summary(row, key, name)?.median)),
      ],
    };
  });
  const head = {
    name: row.title,
    cells: [
      main.title,
      'ratio',
      ...(hasBaseline ? ['of direct'] : []),
      ...[...cpu, ...others].map(({ title }) => title),
    ],
  };
  return narrowed(head, lines, WIDTH);
}

function isOfCpu({ key }: Metric): boolean {
  return key === 'cpu' || key === 'cpuServer' || key === 'cpuClient';
}

/** What Node's threads used, for the peers that are Node processes. */
function threadTable(document: Document): string[] {
  const warrens = document.peers.filter(({ isWarren }) => isWarren).map(({ name }) => name);
  const ofServer = document.rows.flatMap(threadsOfServer);
  const columns = new Map(ofServer.map(({ key, title }) => [key, title.replace(/ server$/, '')]));
  const lines = document.rows
    .filter((row) => threadsOfServer(row).length > 0)
    .flatMap((row) =>
      peersIn(document, row)
        .filter((peer) => warrens.includes(peer))
        .map((peer) => ({
          name: `${INDENT}${row.name}, ${peer}`,
          cells: [...columns.keys()].map((key) => bothEnds(row, key, peer)),
        })),
    );
  if (lines.length === 0) return [];
  return [
    '',
    ...renderTable({ name: '% of a core, server / client', cells: [...columns.values()] }, lines),
    'JS is the main thread of a Node process, helpers are the threads of V8 and libuv.',
  ];
}

function threadsOfServer({ metrics }: DocumentRow): Metric[] {
  return metrics.filter(({ key, ofThreads }) => ofThreads && key.endsWith('Server'));
}

function bothEnds(row: DocumentRow, ofServer: string, peer: string): string {
  const keys = [ofServer, ofServer.replace(/Server$/, 'Client')];
  return keys.map((key) => number(summary(row, key, peer)?.median)).join(' / ');
}

/** The verdict first: a line each, for figures and names of any length. */
function targetLines(document: Document): string[] {
  if (document.verdicts.length === 0) return [];
  const of = (word: Outcome): number =>
    document.verdicts.filter((verdict) => outcome(verdict) === word).length;
  return [
    '',
    `targets of ${subjectOf(document)}`,
    ...document.verdicts.flatMap((verdict) => {
      const { what, wanted, measured } = verdictWords(document, verdict);
      return labelled(`${INDENT}${outcome(verdict)}`, `${what}: ${measured}, wanted ${wanted}`);
    }),
    `${of('met')} met, ${of('MISSED')} MISSED, ${of('not measured')} not measured.`,
  ];
}
