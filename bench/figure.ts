/** What a scenario has measured, over its repetitions, as a line for programs and a row for people. */

/** One repetition. */
export interface Sample {
  /** Seconds, milliseconds or whatever `Figure.unit` says, of Tahr. */
  readonly tahr: number;
  /** The same of what it is compared with, in the same run; null for a figure that stands for itself. */
  readonly limit: number | null;
}

export interface Goal {
  readonly must: number;
  readonly aim: number;
}

export interface Figure {
  readonly scenario: string;
  /** What is told apart within the scenario. */
  readonly name: string;
  readonly unit: string;
  /** `limit/tahr`: a share of the limit's speed, higher is better. `tahr/limit`: times the limit, lower is better. `tahr`: by itself, lower is better. */
  readonly value: 'limit/tahr' | 'tahr/limit' | 'tahr';
  readonly goal: Goal | null;
  readonly samples: readonly Sample[];
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const summarize = ({ value, samples }: Pick<Figure, 'value' | 'samples'>): Summary =>
  summaryOf(samples.map((sample) => valueOf(value, sample)));

export const summaryOf = (values: readonly number[]): Summary => {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: middleOf(sorted), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
};

const middleOf = (sorted: readonly number[]): number => {
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? Number.NaN) + upper) / 2 : upper;
};

const valueOf = (value: Figure['value'], { tahr, limit }: Sample): number => {
  if (value === 'tahr') return tahr;
  const other = limit ?? Number.NaN;
  return value === 'limit/tahr' ? other / tahr : tahr / other;
};

/** Null for a figure without a goal. */
const reached = (figure: Figure): 'aim' | 'must' | 'missed' | null => {
  if (figure.goal === null) return null;
  const { median } = summarize(figure);
  const isReached = (goal: number): boolean =>
    figure.value === 'limit/tahr' ? median >= goal : median <= goal;
  if (isReached(figure.goal.aim)) return 'aim';
  return isReached(figure.goal.must) ? 'must' : 'missed';
};

export const jsonLine = (figure: Figure): string =>
  JSON.stringify({ ...figure, summary: summarize(figure), reached: reached(figure) });

const columns = ['figure', 'value', 'min – max', 'must', 'aim', 'reached', 'Tahr', 'limit'] as const;

/** A table in the form of Markdown, which serves on a terminal as well. */
export const tableOf = (figures: readonly Figure[]): string => {
  const rows = [columns, columns.map(() => '---'), ...figures.map(rowOf)];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows
    .map((row) => `| ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`)
    .join('\n');
};

const rowOf = (figure: Figure): string[] => {
  const { median, min, max } = summarize(figure);
  const limits = figure.samples.flatMap(({ limit }) => limit ?? []);
  const unit = (value: number): string => `${digits(value)} ${figure.unit}`;
  return [
    figure.name === '' ? figure.scenario : `${figure.scenario}: ${figure.name}`,
    figure.value === 'tahr' ? unit(median) : digits(median),
    `${digits(min)} – ${digits(max)}`,
    figure.goal === null ? '' : digits(figure.goal.must),
    figure.goal === null ? '' : digits(figure.goal.aim),
    reached(figure) ?? '',
    unit(summaryOf(figure.samples.map(({ tahr }) => tahr)).median),
    limits.length === 0 ? '' : unit(summaryOf(limits).median),
  ];
};

/** Three digits that mean something. */
export const digits = (value: number): string =>
  value === 0 || Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
