/**
 * What must hold when writers have stopped and rounds have run, from what the databases say of themselves. Pure.
 *
 * 1. All databases hold equal rows.
 * 2. No row that nobody wrote, and none that somebody has changed further, knowing it.
 * 3. Every committed change is in the final state, or behind it, or a loser of a recorded decision, or behind one.
 * 4. Every record is of versions that were made without knowledge of each other, and its winner is the one that the strategy prefers;
 *    all databases say the same.
 */
import { type Change, History, type RowHistory } from './history.ts';
import {
  findingsOf,
  type Ground,
  isChange,
  isFixed,
  nameOf,
  type RecordedSync,
  type TracedRecord,
  traceRecords,
} from './verdicts.ts';
import type { Chronicle, HeldRow, Image } from './witness.ts';

export interface CheckOptions {
  readonly chronicles: readonly Chronicle[];
  readonly tables: readonly { readonly name: string; readonly keyColumns: readonly string[] }[];
  /** By table: where it must be equal. */
  readonly equal: Readonly<Record<string, readonly string[]>>;
  /** By id. */
  readonly syncs: ReadonlyMap<string, RecordedSync>;
  /** By table: only the latest change has ever won. */
  readonly isLatestOnly: (table: string) => boolean;
  /** Knowledge is not complete across the syncs of a ring: what was replaced may contend with what replaced it. */
  readonly isRing: boolean;
  /** Databases that have left: who knew what of them is not known any more (docs/limitations.md). */
  readonly departed: ReadonlySet<string>;
  /** Those of them that left with changes that nobody had read: these may be missing, without a record. */
  readonly unread: ReadonlySet<string>;
}

export interface Findings {
  /** In plain words; empty: all is well. */
  readonly faults: readonly string[];
  readonly changeCount: number;
  readonly conflictCount: number;
  /** Rows that are again what somebody had changed further, because a strategy spoke against what was known. */
  readonly wentBackCount: number;
}

export const check = (options: CheckOptions): Findings => {
  const { chronicles, tables, syncs } = options;
  const history = new History(chronicles);
  const ground: Ground = {
    history,
    syncs,
    keyColumns: new Map(tables.map(({ name, keyColumns }) => [name, keyColumns])),
    isPassedOn: syncs.size > 1,
  };
  const records = traceRecords(chronicles, ground);
  const rows = finalRows(options, history).map((row) =>
    judgeRow(row, { history, records: records.filter((record) => isOf(record, row)), options }),
  );
  return {
    faults: [
      ...rows.flatMap(({ faults }) => faults),
      ...records.flatMap((record) => findingsOf(record, ground, mayGoBack(record, { history, options }))),
      ...contradictions(records),
    ],
    changeCount: history.rows.reduce((sum, { changes }) => sum + changes.length, 0),
    conflictCount: new Set(records.map(({ record }) => record.id)).size,
    wentBackCount: rows.filter(({ wentBack }) => wentBack).length,
  };
};

/** A key of a table, with the row that each database has there. */
interface FinalRow {
  readonly table: string;
  readonly key: string;
  readonly held: ReadonlyMap<string, Image | null>;
}

const isOf = (one: { table: string; key: string }, other: { table: string; key: string }): boolean =>
  one.table === other.table && one.key === other.key;

const finalRows = ({ chronicles, tables, equal }: CheckOptions, history: History): FinalRow[] =>
  tables.flatMap(({ name }) => {
    const holders = chronicles.filter(({ database }) => equal[name]?.includes(database) === true);
    if (holders.length === 0) return [];
    const byKey = holders.map(({ database, rows }): [string, ReadonlyMap<string, HeldRow>] => [
      database,
      new Map((rows.get(name) ?? []).map((row) => [row.key, row])),
    ]);
    const changed = history.rows.filter(({ table }) => table === name).map(({ key }) => key);
    const keys = new Set([...changed, ...byKey.flatMap(([, rows]) => [...rows.keys()])]);
    return [...keys].map((key) => ({
      table: name,
      key,
      held: new Map(byKey.map(([database, rows]) => [database, rows.get(key)?.image ?? null])),
    }));
  });

interface Evidence {
  readonly history: History;
  /** Those of the row. */
  readonly records: readonly TracedRecord[];
  readonly options: CheckOptions;
}

const judgeRow = (row: FinalRow, evidence: Evidence): { faults: string[]; wentBack: boolean } => {
  const { history, records, options } = evidence;
  const name = `${row.table} ${row.key}`;
  const lines = new Map([...row.held].map(([database, image]) => [database, JSON.stringify(image)]));
  if (new Set(lines.values()).size > 1)
    return {
      faults: [`${name} differs: ${[...lines].map(([database, line]) => `${database} ${line}`).join('; ')}`],
      wentBack: false,
    };
  const images = [...new Map([...row.held].map(([, image]) => [JSON.stringify(image), image])).values()];
  const past = history.rowOf(row.table, row.key) ?? { table: row.table, key: row.key, changes: [] };
  const recorded = recordedLosers(past, { history, records });
  const known = new Set([
    ...recorded,
    ...images.flatMap((image) => [...behind(image, past, history)]),
    ...passing(past, history),
  ]);
  const accounted = new Set([...known, ...alike(known, past, history)]);
  const mayBeMissing = ({ database }: Change): boolean => options.unread.has(database);
  const lost = past.changes.filter((change) => !accounted.has(change) && !mayBeMissing(change));
  const replaced = images.flatMap((image) =>
    past.changes.filter(({ before }) => before !== null && before === image?.['token']),
  );
  const unjustified = replaced.filter(
    (change) => !mayBeMissing(change) && (!recorded.has(change) || !mayGoBack(row, { history, options })),
  );
  return {
    faults: [
      ...images.flatMap((image) =>
        inventions(image, past, { history, options }).map((text) => `${name} ${text}`),
      ),
      ...lost.map((change) => `${name} has lost ${nameOf(change)} without a record`),
      ...unjustified.map((change) => `${name} went back behind ${nameOf(change)}`),
    ],
    wentBack: replaced.length > 0,
  };
};

/** The changes that the final row holds: the one that made it, and all that it was made from. */
const behind = (image: Image | null, { changes }: RowHistory, history: History): Set<Change> => {
  const ends = changes.filter(({ after }) => after === (image?.['token'] ?? null));
  const past = new Set<Change>();
  for (const end of ends) history.pastOf(end, past);
  return past;
};

/** A row that nobody made, or made otherwise; or none where nobody has deleted it. */
const inventions = (
  image: Image | null,
  { table, changes }: RowHistory,
  { history, options }: Pick<Evidence, 'history' | 'options'>,
): string[] => {
  if (image === null) {
    const isDeleted =
      changes.some(({ after }) => after === null) || history.truncations.some((one) => one.table === table);
    const wasNeverThere = changes.every(
      ({ database, before }) => before === null && options.unread.has(database),
    );
    return isDeleted || wasNeverThere ? [] : ['is gone, though nobody has deleted it'];
  }
  const token = image['token'] ?? '';
  if (token.startsWith(`${table} initial `)) return [];
  const change = changes.find(({ after }) => after === token);
  if (change === undefined) return [`has a row that nobody wrote: ${JSON.stringify(image)}`];
  const written = JSON.stringify(change.image);
  return written === JSON.stringify(image)
    ? []
    : [`has ${JSON.stringify(image)}, where ${nameOf(change)} wrote ${written}`];
};

/** Those that the records name, with all that they were made from. */
const recordedLosers = (
  { changes }: RowHistory,
  { history, records }: Pick<Evidence, 'history' | 'records'>,
): Set<Change> => {
  const losers = records.flatMap(({ versions }) => versions.filter(({ version }) => !version.won));
  const past = new Set<Change>();
  for (const { made } of losers) if (isChange(made)) history.pastOf(made, past);
  if (losers.some(({ made }) => made !== null && !isChange(made)))
    for (const deletion of changes.filter(({ after }) => after === null)) history.pastOf(deletion, past);
  return past;
};

/**
 * Of deletions that did not know of each other one stands for all: they do not differ, and only one of them goes on to meet another change,
 * or to be followed by one.
 */
const alike = (known: ReadonlySet<Change>, { changes }: RowHistory, history: History): Set<Change> => {
  const deletions = changes.filter(({ after }) => after === null);
  const past = new Set<Change>();
  for (const deletion of deletions.filter((one) => !known.has(one))) {
    const others = deletions.filter((one) => known.has(one));
    if (others.some((one) => !isBehind(history, one, deletion) && !isBehind(history, deletion, one)))
      history.pastOf(deletion, past);
  }
  return past;
};

/**
 * Rows that came and went on one database, and that nobody else has seen as he wrote: their deletion changes nothing elsewhere, and nothing
 * was lost when it gives way to a row with the same key (docs/conflicts.md, docs/cascading.md).
 */
const passing = ({ changes }: RowHistory, history: History): Change[] =>
  changes
    .filter(({ after }) => after === null)
    .flatMap((deletion) => {
      const past = [deletion];
      for (let one: Change | undefined = deletion; one?.before != null; ) {
        one = history.withToken(one.before);
        if (one === undefined || one.database !== deletion.database) return [];
        past.push(one);
      }
      const tokens = new Set(past.map(({ after }) => after));
      const isSeen = changes.some(
        ({ before, database }) => before !== null && tokens.has(before) && database !== deletion.database,
      );
      return isSeen ? [] : past;
    });

const isBehind = (history: History, one: Change, other: Change): boolean => history.pastOf(other).has(one);

/**
 * What no rule can exclude (docs/conflicts.md): a strategy that speaks against what was known, be it because it prefers a database, be it
 * because a transaction began before one that it has seen. And who knew what of a source that has left is not known any more.
 */
const mayGoBack = (
  { table, key }: { readonly table: string; readonly key: string },
  { history, options }: Pick<Evidence, 'history' | 'options'>,
): boolean => {
  if (options.isRing || !options.isLatestOnly(table)) return true;
  const changes = history.rowOf(table, key)?.changes ?? [];
  if (changes.some(({ database }) => options.departed.has(database))) return true;
  return changes.some((change) => history.parentsOf(change).some((parent) => parent.at >= change.at));
};

/** Databases that do not say the same of one conflict. */
const contradictions = (records: readonly TracedRecord[]): string[] => {
  const grouped = Map.groupBy(
    records.filter(({ record }) => isFixed(record.strategy)),
    ({ record }) => `${record.id} ${record.strategy}`,
  );
  return [...grouped.values()].flatMap((all) => {
    const winners = new Set(all.map(({ record }) => record.winner));
    const [{ record, table, key }] = all as [TracedRecord];
    return winners.size > 1 ? [`${table} ${key}: the conflict ${record.id} has several winners`] : [];
  });
};
