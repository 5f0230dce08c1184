/**
 * Which index is the replication key of a table: the primary key, else the unique index with the fewest columns,
 * else none, with the reason in words. Pure.
 *
 * A key must name each row exactly once: unique, complete, immediate, over plain columns that are all NOT NULL.
 */
export interface IndexColumn {
  readonly name: string;
  readonly typeOid: string;
  readonly notNull: boolean;
  /** Equality as the index understands it, `operator(pg_catalog.=)`. */
  readonly equals: string;
  /** Quoted and with its schema; null where it is the default of the database, or the type has none. */
  readonly collation: string | null;
  readonly isDeterministic: boolean;
  /** Its values are oids in disguise (regclass and its like), which mean other objects in another database. */
  readonly isObjectNumber: boolean;
}

/** A unique index as the catalogue has it. Expressions have no name and are counted instead. */
export interface IndexFacts {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly isValid: boolean;
  readonly isImmediate: boolean;
  readonly isPartial: boolean;
  /** Of the access method btree: equality of all columns is what makes two rows collide. */
  readonly isByEquality: boolean;
  readonly expressionCount: number;
  readonly columns: readonly IndexColumn[];
}

export type KeyChoice =
  | { readonly index: IndexFacts; readonly problem: null }
  | { readonly index: null; readonly problem: string };

/** @param wanted the index that the operator named as key, or null */
export const chooseKey = (indexes: readonly IndexFacts[], wanted: string | null): KeyChoice => {
  if (wanted !== null) return chooseNamed(indexes, wanted);
  const primary = indexes.find((index) => index.isPrimary && unfitness(index) === null);
  if (primary !== undefined) return { index: primary, problem: null };
  const [best] = indexes
    .filter((index) => index.isImmediate && unfitness(index) === null)
    .sort(byColumnCountThenName);
  if (best !== undefined) return { index: best, problem: null };
  return { index: null, problem: problemOf(indexes) };
};

const chooseNamed = (indexes: readonly IndexFacts[], wanted: string): KeyChoice => {
  const index = indexes.find(({ name }) => name === wanted);
  if (index === undefined) return { index: null, problem: `there is no unique index "${wanted}" on it` };
  const reason = unfitness(index);
  return reason === null
    ? { index, problem: null }
    : { index: null, problem: `${describe(index)} ${reason}` };
};

const byColumnCountThenName = (a: IndexFacts, b: IndexFacts): number =>
  a.columns.length - b.columns.length || (a.name < b.name ? -1 : 1);

const problemOf = (indexes: readonly IndexFacts[]): string => {
  if (indexes.length === 0) return 'it has no primary key and no unique index';
  return indexes.map((index) => `${describe(index)} ${unfitness(index) ?? 'is deferrable'}`).join(', ');
};

const describe = ({ name, isPrimary }: IndexFacts): string =>
  isPrimary ? `primary key "${name}"` : `unique index "${name}"`;

/** Why the index cannot be a key, as the end of a sentence; null when it can. */
const unfitness = (index: IndexFacts): string | null => {
  if (!index.isByEquality) return 'compares by overlap, not by equality';
  if (!index.isValid) return 'is not valid';
  if (index.isPartial) return 'covers only a part of the rows';
  if (index.expressionCount > 0) return 'has an expression';
  const numbered = index.columns.find(({ isObjectNumber }) => isObjectNumber);
  if (numbered !== undefined)
    return `has a column "${numbered.name}" that numbers objects of this database, which another numbers otherwise`;
  const nullable = index.columns.find((column) => !column.notNull);
  return nullable === undefined ? null : `has a column "${nullable.name}" that allows NULL`;
};

/** The unique indexes that a row can collide on besides its key; partial ones and those with expressions left out. */
export const otherUniqueIndexes = (
  indexes: readonly IndexFacts[],
  key: IndexFacts | null,
): readonly IndexFacts[] =>
  indexes.filter(
    (index) =>
      index !== key && index.isValid && index.isByEquality && !index.isPartial && index.expressionCount === 0,
  );
