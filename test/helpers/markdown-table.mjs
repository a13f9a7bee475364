/** A table that reads well in a terminal, too. */

/** @param {readonly (readonly string[])[]} rows The first one is the head. */
export function markdownTable(rows) {
  const clean = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = clean[0].map((_, at) => Math.max(3, ...clean.map((row) => row[at].length)));
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const [head, ...body] = clean.map((row) => line(row.map((cell, at) => cell.padEnd(widths[at]))));
  return `${[head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n')}\n`;
}
