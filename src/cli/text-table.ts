/** Tables of text, aligned by the width of their cells. Pure. */
import { stripVTControlCharacters } from 'node:util';

export interface TextColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const width = (cell: string): number => stripVTControlCharacters(cell).length;

/** Lines: the titles, a rule, and one line for each row. */
export const textTable = (columns: readonly TextColumn[], rows: readonly (readonly string[])[]): string => {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => width(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    ` ${columns.map(({ align }, index) => pad(cells[index] ?? '', widths[index] ?? 0, align ?? 'left')).join(' | ')}`.trimEnd();
  const rule = widths.map((cells) => '='.repeat(cells + 2)).join('+');
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join('\n');
};

const pad = (cell: string, cells: number, align: 'left' | 'right'): string => {
  const space = ' '.repeat(Math.max(0, cells - width(cell)));
  return align === 'left' ? cell + space : space + cell;
};

/** `key : value` lines with the keys padded to one width; entries without a value are left out. */
export const factLines = (facts: readonly (readonly [string, string | null])[]): string[] => {
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== null);
  const keyWidth = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(keyWidth)} : ${value}`);
};
