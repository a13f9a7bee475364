// The page: everything that a run says, in the order in which a person asks for it. All of it is
// computed from the document; nothing here knows a result.

import { withBaselines } from '../baseline.ts';
import { type Document, subjectOf } from '../document.ts';
import { count, number } from '../numbers.ts';
import type { Plots } from '../plots/plots.ts';
import { type Outcome, outcome, verdictWords } from '../verdicts.ts';
import { conditions, howToRead, leftOut, repeating } from './conditions.ts';
import { lossSection } from './losing.ts';
import { anchor, bold, escaped, list, markdownTable } from './markdown.ts';
import { processSection, rowSection, threadSection } from './rows.ts';
import { summarySection } from './summary.ts';

interface Section {
  readonly heading: string;
  readonly lines: readonly string[];
}

/** Markdown; `folder` is where the pictures are, as seen from the page. */
export function renderPage(measured: Document, plots: Plots, folder: string): string {
  const document = withBaselines(measured);
  const sections: Section[] = [
    { heading: 'Summary', lines: summarySection(document) },
    { heading: `Where ${subjectName(document)} loses`, lines: lossSection(document) },
    { heading: 'Targets', lines: targetSection(document) },
    { heading: 'Plots', lines: plotSection(plots, folder) },
    { heading: 'How to read it', lines: howToRead(document) },
    { heading: 'Machine, versions and conditions', lines: conditions(document) },
    { heading: 'What was left out', lines: leftOut(document) },
    { heading: 'Every row', lines: rowSection(document) },
    { heading: 'Memory and context switches', lines: processSection(document) },
    { heading: "Node's threads", lines: threadSection(document) },
    { heading: 'How to repeat it', lines: repeating(document) },
  ].filter(({ lines }) => lines.length > 0);
  const contents = sections.map(({ heading }) => `[${heading}](#${anchor(heading)})`).join(' · ');
  const lines = [
    `# Benchmark: ${title(document)}`,
    '',
    opening(document),
    '',
    contents,
    ...sections.flatMap((section) => ['', `## ${section.heading}`, '', ...section.lines]),
  ];
  return `${lines.join('\n')}\n`;
}

function subjectName(document: Document): string {
  return subjectOf(document)?.replace(/ \(.*/, '') ?? 'warren';
}

/** The programs, each once: `warren against rathole and frp`. */
function title(document: Document): string {
  const programs = document.peers
    .filter(({ name, isWarren }) => !isWarren && /^(rathole|frp)/.test(name))
    .map(({ name }) => name.replace(/[ ,].*/, ''));
  const others = [...new Set(programs)];
  const against = others.length === 0 ? '' : ` against ${others.join(' and ')}`;
  return `${subjectName(document)}${against}`;
}

function opening({ machine, extent, disturbed, failures }: Document): string {
  const { cells, of } = disturbed;
  const part = of === 0 ? '' : ` (${number((100 * cells) / of)} %)`;
  const failed = failures.length === 0 ? 'no run' : count(failures.length, 'run');
  return (
    `Measured on ${machine.date.slice(0, 10)} at commit \`${escaped(machine.commit)}\`, level \`${extent.level}\`, on ${machine.cores} x ` +
    `${escaped(machine.cpu)}. ${cells} of ${count(of, 'run')}${part} were disturbed by other programs; ${failed} failed. This page and its plots were generated from the JSON of that run; none of it is written by hand.`
  );
}

function targetSection(document: Document): string[] {
  const { verdicts } = document;
  if (verdicts.length === 0) return [];
  const of = (word: Outcome): number =>
    verdicts.filter((verdict) => outcome(verdict) === word).length;
  const order: readonly Outcome[] = ['MISSED', 'not measured', 'met'];
  const sorted = order.flatMap((word) => verdicts.filter((verdict) => outcome(verdict) === word));
  const rows = sorted.map((verdict) => {
    const { what, wanted, measured } = verdictWords(document, verdict);
    return [what, wanted, measured, outcome(verdict)];
  });
  return [
    `What ${escaped(subjectOf(document) ?? 'warren')} is to reach, judged by the medians of this run: ` +
      `${of('met')} met, ${bold(`${of('MISSED')} missed`)}, ${of('not measured')} not measured.`,
    '',
    ...markdownTable(['target', 'wanted', 'measured', 'verdict'], rows, [
      'left',
      'left',
      'left',
      'left',
    ]),
  ];
}

function plotSection({ drawn, absent }: Plots, folder: string): string[] {
  const pictures = drawn.flatMap(({ name, title: shown }) => [
    `### ${escaped(shown)}`,
    '',
    `![${escaped(shown)}](${folder}/${name}.svg)`,
    '',
  ]);
  if (absent.length === 0) return pictures.slice(0, -1);
  return [
    ...pictures,
    'Not drawn, because this run has no such rows:',
    '',
    ...list(absent.map(escaped)),
  ];
}
