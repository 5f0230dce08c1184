/**
 * Differences between columns that hinder no row and are errors where `strict_checking` is on: their order, NOT NULL, defaults, and columns
 * that only the written side has. A table that goes in another form than the source's, by another name or in other columns, is not compared.
 */
import { readDefaults } from '../connectors/postgres/catalogue.ts';
import type { Table } from '../connectors/postgres/table.ts';
import { settingOf, type SyncDefinition } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkStrictly = async (
  definition: SyncDefinition,
  sides: readonly Side[],
): Promise<Finding[]> => {
  const [model, ...others] = await Promise.all(
    [...sides.filter(isSource).slice(0, 1), ...sides.filter((side) => side !== sides.find(isSource))].map(
      (side) => readStrictSide(definition, side),
    ),
  );
  return model === undefined ? [] : others.flatMap((side) => checkPair(model, side));
};

interface StrictSide {
  readonly side: Side;
  /** By column, of the tables that are compared; by the place of the table in the sync. */
  readonly defaults: readonly (ReadonlyMap<string, string> | null)[];
}

const readStrictSide = async (definition: SyncDefinition, side: Side): Promise<StrictSide> => {
  const strict = side.tables.map((table) => (isStrict(definition, side, table) ? table.table : null));
  const oids = strict.flatMap((table) => (table === null ? [] : [table.oid]));
  const found = oids.length === 0 ? new Map() : await readDefaults(side.session, oids);
  return {
    side,
    defaults: strict.map((table) => (table === null ? null : (found.get(table.oid) ?? new Map()))),
  };
};

const isStrict = (definition: SyncDefinition, { database }: Side, { relation }: SideTable): boolean =>
  settingOf(definition, relation, 'strictChecking') &&
  ![...relation.customNames, ...relation.customCols].some((one) => one.database === database.id);

const checkPair = (model: StrictSide, other: StrictSide): Finding[] =>
  other.side.tables.flatMap(({ relation, table }, index) => {
    const wanted = model.side.tables[index]?.table ?? null;
    const [wantedDefaults, defaults] = [model.defaults[index] ?? null, other.defaults[index] ?? null];
    if (table === null || wanted === null || wantedDefaults === null || defaults === null) return [];
    const what = differenceOf(
      { table: wanted, defaults: wantedDefaults },
      { table, defaults },
      model.side.database.name,
    );
    const at = { database: other.side.database.name, relation: relation.relation };
    const hint = 'Make them equal, or turn strict_checking off for the table or the sync.';
    return what === null ? [] : [errorFinding('schema_differs', { ...at, what, hint })];
  });

interface Form {
  readonly table: Table;
  readonly defaults: ReadonlyMap<string, string>;
}

/** The first one, as the end of a sentence; null: there is none. */
const differenceOf = (model: Form, other: Form, from: string): string | null => {
  const known = new Map(model.table.columns.map((column) => [column.name, column]));
  for (const { name, notNull } of other.table.columns) {
    const wanted = known.get(name);
    if (wanted === undefined) return `has the column "${name}", which ${from} lacks`;
    if (wanted.notNull !== notNull)
      return notNull
        ? `has the column "${name}" NOT NULL, and on ${from} it may be NULL`
        : `lets the column "${name}" be NULL, and on ${from} it may not`;
    const [own, theirs] = [other.defaults.get(name) ?? 'none', model.defaults.get(name) ?? 'none'];
    if (own !== theirs)
      return `has another default for the column "${name}" (${own}) than ${from} (${theirs})`;
  }
  const order = other.table.columns.map(({ name }) => name);
  const place = model.table.columns
    .filter(({ name }) => order.includes(name))
    .findIndex(({ name }, index) => order[index] !== name);
  return place === -1 ? null : `has its columns in another order than ${from}, from place ${place + 1} on`;
};
