/** In which way each column of a table is merged. */
import type { MergeSpec } from '../../model/topology.ts';
import { type Column, sentColumns, type Table } from './table.ts';

/** `last`: the later value counts. */
export type MergeKind = 'last' | 'counter' | 'object' | 'set';

/** By column, of all that are sent and not of the key. */
export type MergePlan = ReadonlyMap<string, MergeKind>;

const kindOf = ({ counters, objects, sets }: MergeSpec, { name }: Column): MergeKind => {
  if (counters.includes(name)) return 'counter';
  if (objects.includes(name)) return 'object';
  return sets.includes(name) ? 'set' : 'last';
};

export const planMerge = (table: Table, spec: MergeSpec): MergePlan => {
  const key = new Set((table.key?.columns ?? []).map(({ name }) => name));
  return new Map(
    sentColumns(table)
      .filter(({ name }) => !key.has(name))
      .map((column) => [column.name, kindOf(spec, column)]),
  );
};
