// Markdown that says what it is given: nothing in a cell or a sentence becomes markup.

/** What a table's columns hold. */
export type Align = 'left' | 'right';

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  aligns: readonly Align[] = head.map((_, column) => (column === 0 ? 'left' : 'right')),
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(head.map(escaped)),
    line(aligns.map((align) => (align === 'right' ? '---:' : '---'))),
    ...rows.map((row) => line(row.map(escaped))),
  ];
}

/** Text of others, as it is: bars do not end a cell, lines do not end a table. */
export function escaped(text: string): string {
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' / ')
    .replaceAll(/[\\|*_[\]`~]/g, '\\$&')
    .replaceAll(/<(?=[\w/!?])/g, '&lt;');
}

/** Bold in a cell would be escaped; this is for text around tables. */
export function bold(text: string): string {
  return `**${escaped(text)}**`;
}

export function list(items: readonly string[]): string[] {
  return items.map((item) => `- ${item}`);
}

/** The anchor that GitHub gives a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
