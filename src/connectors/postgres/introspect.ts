/** Reads replicated tables as a database has them: columns, key, and what stands in the way of replicating them. */
import type { RelationName, SyncRelation } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import {
  type ColumnFacts,
  type RelationFacts,
  readColumns,
  readFiring,
  readIndexes,
  readRelations,
  readTypes,
} from './catalogue.ts';
import {
  baseTypeOf,
  compositesOf,
  keyTypeOf,
  type ServerVersions,
  storedTypeOf,
  type TypeCatalogue,
  transportOf,
} from './column-type.ts';
import { type DeferrableFacts, deferrableOf, readDeferrable } from './deferrable.ts';
import { chooseKey, type IndexFacts, otherUniqueIndexes } from './key.ts';
import type { Column, KeyColumn, Table, TableKey } from './table.ts';

export interface IntrospectionOptions {
  /** The schema of this installation: its own triggers are not reported as triggers of the user. */
  readonly schema: string;
  /** `server_version_num` of the oldest server that takes part: decides how values can travel. */
  readonly oldestVersion: number;
}

/**
 * The tables by these names, in the same order; null where there is no such table (or the name is that of something
 * else, which `readRelations` tells). One statement per kind of fact, whatever the number of tables.
 */
export const readTables = async (
  session: Session,
  wanted: readonly Pick<SyncRelation, 'relation' | 'keyIndex'>[],
  options: IntrospectionOptions,
): Promise<(Table | null)[]> => {
  const found = await readRelations(
    session,
    wanted.map(({ relation }) => relation),
  );
  const relations = found.filter(({ kind }) => kind === 'table' || kind === 'partitioned table');
  const oids = relations.map(({ oid }) => oid);
  const columns = await readColumns(session, oids);
  const indexes = await readIndexes(session, oids);
  const deferrable = await readDeferrable(session, oids);
  const firing = await readFiring(session, oids, options.schema);
  const types = await readTypes(session, typesOf(columns));
  const versions = versionsOf(session, options);
  const byName = new Map(relations.map((facts) => [nameKey(facts.relation), facts]));
  return wanted.map(({ relation, keyIndex }) => {
    const facts = byName.get(nameKey(relation));
    if (facts === undefined) return null;
    return assembleTable({
      facts,
      keyIndex,
      types,
      versions,
      columns: columns.get(facts.oid) ?? [],
      indexes: indexes.get(facts.oid) ?? [],
      deferrable: deferrable.get(facts.oid) ?? [],
      firing: firing.get(facts.oid) ?? [],
    });
  });
};

export const versionsOf = (
  { serverVersion }: Session,
  { oldestVersion }: Pick<IntrospectionOptions, 'oldestVersion'>,
): ServerVersions => ({ own: serverVersion, oldest: Math.min(oldestVersion, serverVersion) });

/** Neither part of a name can hold a zero byte. */
const nameKey = ({ schema, name }: RelationName): string => `${schema}\0${name}`;

const typesOf = (columns: ReadonlyMap<string, readonly ColumnFacts[]>): string[] => [
  ...new Set([...columns.values()].flat().map(({ typeOid }) => typeOid)),
];

interface Parts {
  readonly facts: RelationFacts;
  readonly keyIndex: string | null;
  readonly types: TypeCatalogue;
  readonly versions: ServerVersions;
  readonly columns: readonly ColumnFacts[];
  readonly indexes: readonly IndexFacts[];
  readonly deferrable: readonly DeferrableFacts[];
  readonly firing: readonly string[];
}

const assembleTable = (parts: Parts): Table => {
  const { facts, keyIndex, types, versions, columns, indexes, deferrable, firing } = parts;
  const { index, problem } = chooseKey(indexes, keyIndex);
  return {
    relation: facts.relation,
    oid: facts.oid,
    kind: kindOf(facts),
    columns: columns.map((column) => columnOf(column, types, versions)),
    chosen: null,
    key: index === null ? null : tableKeyOf(index, types),
    keyProblem: problem,
    deferrable: deferrable.map((constraint) => deferrableOf(constraint, types)),
    uniqueIndexes: otherUniqueIndexes(indexes, index).map((unique) => tableKeyOf(unique, types)),
    firesWithoutReplicaRole: firing,
    refusesOnConflict: facts.refusesOnConflict,
    isOwner: facts.isOwner,
    hasRowSecurity: facts.hasRowSecurity,
    isSubscribed: facts.isSubscribed,
    firesInReplicaRole: facts.firesInReplicaRole,
    fingerprint: facts.fingerprint,
  };
};

const kindOf = (facts: RelationFacts): Table['kind'] => {
  if (facts.isPartition) return 'partition';
  if (facts.kind === 'partitioned table') return 'partitioned';
  return facts.hasInheritance ? 'tree' : 'plain';
};

export const columnOf = (column: ColumnFacts, types: TypeCatalogue, versions: ServerVersions): Column => ({
  name: column.name,
  type: column.type,
  baseType: baseTypeOf(column.typeOid, types).name,
  storedType: storedTypeOf(column.typeOid, column.type, types),
  composites: compositesOf(column.typeOid, types),
  notNull: column.notNull,
  hasDefault: column.hasDefault,
  isGenerated: column.isGenerated,
  identity: column.identity,
  transport: transportOf(column.typeOid, types, versions),
});

const tableKeyOf = (index: IndexFacts, types: TypeCatalogue): TableKey => ({
  index: index.name,
  isDeferrable: !index.isImmediate,
  columns: keyColumnsOf(index, types),
});

const keyColumnsOf = (index: IndexFacts, types: TypeCatalogue): KeyColumn[] =>
  index.columns.map((column) => {
    const keyType = keyTypeOf(column.typeOid, types, {
      name: column.collation,
      isDeterministic: column.isDeterministic,
    });
    return {
      name: column.name,
      deltaType: keyType.deltaType,
      deltaSuffix: keyType.suffix,
      domainSuffix: keyType.domainSuffix,
      equals: column.equals,
      equalityIsBytes: keyType.equalityIsBytes,
    };
  });
