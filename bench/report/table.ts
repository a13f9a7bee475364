// Text tables with a name and right-aligned cells.

export interface Line {
  readonly name: string;
  readonly cells: readonly string[];
}

const GAP = '  ';

export function renderTable(head: Line, lines: readonly Line[]): string[] {
  const all = [head, ...lines];
  const nameWidth = Math.max(...all.map(({ name }) => name.length));
  const widths = head.cells.map((_, column) => columnWidth(all, column));
  return all.map(({ name, cells }) =>
    [
      name.padEnd(nameWidth),
      ...widths.map((width, column) => (cells[column] ?? '').padStart(width)),
    ]
      .join(GAP)
      .trimEnd(),
  );
}

/** The table without the columns at its end that do not fit. */
export function narrowed(head: Line, lines: readonly Line[], width: number): string[] {
  const all = [head, ...lines];
  let used = Math.max(...all.map(({ name }) => name.length));
  const fits = head.cells.findIndex((_, column) => {
    used += GAP.length + columnWidth(all, column);
    return used > width;
  });
  return renderTable(fits < 0 ? head : { ...head, cells: head.cells.slice(0, fits) }, lines);
}

/** Text in lines of at most so many letters, the later ones indented. */
export function wrapped(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && longer.length > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

function columnWidth(lines: readonly Line[], column: number): number {
  return Math.max(...lines.map(({ cells }) => (cells[column] ?? '').length));
}
