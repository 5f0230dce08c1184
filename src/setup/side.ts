/** One database of a sync with everything that is read from it before anything is changed. */
import { readRelations, type RelationFacts } from '../connectors/postgres/catalogue.ts';
import { checkOwner } from '../connectors/postgres/identity.ts';
import { readTables } from '../connectors/postgres/introspect.ts';
import { readSequenceFacts, type SequenceFacts } from '../connectors/postgres/sequence-facts.ts';
import { type Projections, readProjections } from '../connectors/postgres/projection.ts';
import type { Table } from '../connectors/postgres/table.ts';
import {
  readTablePrivileges,
  readTraits,
  type TablePrivilege,
  type Traits,
} from '../connectors/postgres/traits.ts';
import { isReplicationError, type ReplicationError } from '../model/errors.ts';
import {
  type DatabaseId,
  type DeleteMethod,
  formatRelation,
  hasDeltas,
  relationsOn,
  type SyncDefinition,
  type SyncRelation,
} from '../model/topology.ts';
import { isSource, keepsPositions, type OpenMember } from './members.ts';

export interface SideTable {
  readonly relation: SyncRelation;
  /** Null where there is no such table. */
  readonly table: Table | null;
  /** What carries the name instead; null where nothing does. */
  readonly found: RelationFacts['kind'] | null;
  readonly privileges: ReadonlySet<TablePrivilege>;
  /** Of a source: as the table goes to databases that get other columns. */
  readonly projections: Projections;
  /** Why it cannot go to one of them in those columns; null: nothing is known. */
  readonly projectionProblem: ReplicationError | null;
}

export interface SideSequence {
  readonly relation: SyncRelation;
  readonly facts: SequenceFacts | null;
}

export interface Side extends OpenMember {
  /** It is read, or written, by what changes; false: it is copied whole, or from it everything is. */
  readonly usesDeltas: boolean;
  /** How its tables are emptied in the role fullcopy. */
  readonly deleteMethod: DeleteMethod;
  readonly traits: Traits;
  /** The schema is there and somebody else's; null when it is ours, or not there. */
  readonly foreign: ReplicationError | null;
  /** In the order of the sync, on every side. */
  readonly tables: readonly SideTable[];
  readonly sequences: readonly SideSequence[];
}

export const readSides = (
  definition: SyncDefinition,
  { members, schema, installation }: ReadOptions,
): Promise<Side[]> => {
  const oldestVersion = Math.min(...members.map(({ session }) => session.serverVersion));
  const replaced = new Set(
    definition.members.filter((member) => !keepsPositions(member)).map(({ database }) => database.id),
  );
  const common = { schema, installation, oldestVersion, replaced };
  return Promise.all(members.map((member) => readSide(definition, { member, ...common })));
};

interface ReadOptions {
  readonly members: readonly OpenMember[];
  readonly schema: string;
  readonly installation: string;
}

interface Reading {
  readonly member: OpenMember;
  readonly schema: string;
  readonly installation: string;
  readonly oldestVersion: number;
  /** The databases in the role fullcopy. */
  readonly replaced: ReadonlySet<DatabaseId>;
}

const readSide = async (definition: SyncDefinition, reading: Reading): Promise<Side> => {
  const { member, schema, oldestVersion } = reading;
  const { session } = member;
  const own = relationsOn(definition, member.database.id);
  const relations = own.filter(({ kind }) => kind === 'table');
  const sequences = own.filter(({ kind }) => kind === 'sequence');
  const tables = await readTables(session, relations, { schema, oldestVersion });
  const kinds = await readKinds(member, relations);
  const oids = tables.flatMap((table) => (table === null ? [] : [table.oid]));
  const privileges = await readTablePrivileges(session, oids);
  const facts = await readSequenceFacts(
    session,
    schema,
    sequences.map(({ relation }) => relation),
  );
  const sideTables: SideTable[] = [];
  for (const [index, relation] of relations.entries()) {
    const table = tables[index] ?? null;
    sideTables.push({
      relation,
      table,
      found: kinds.get(formatRelation(relation.relation)) ?? null,
      privileges: privileges.get(table?.oid ?? '') ?? new Set(),
      ...(await readWays(reading, relation, table)),
    });
  }
  return {
    ...member,
    usesDeltas: hasDeltas(definition) && keepsPositions(member),
    deleteMethod: definition.deleteMethod,
    traits: await readTraits(session, schema),
    foreign: await readForeign(reading),
    tables: sideTables,
    sequences: sequences.map((relation, index) => ({ relation, facts: facts[index] ?? null })),
  };
};

const readWays = async (
  { member, oldestVersion, replaced }: Reading,
  { customCols }: SyncRelation,
  table: Table | null,
): Promise<Pick<SideTable, 'projections' | 'projectionProblem'>> => {
  const isNone = table === null || !isSource(member);
  try {
    const projections = isNone
      ? new Map()
      : await readProjections(member.session, table, {
          customCols,
          oldestVersion,
          database: member.database.name,
          replaced,
        });
    return { projections, projectionProblem: null };
  } catch (error) {
    if (!isReplicationError(error, 'customcols_invalid')) throw error;
    return { projections: new Map(), projectionProblem: error };
  }
};

const readForeign = async ({ member, schema, installation }: Reading): Promise<ReplicationError | null> => {
  try {
    await checkOwner(member.session, { schema, installation, database: member.database.id });
    return null;
  } catch (error) {
    if (isReplicationError(error, 'foreign_installation')) return error;
    throw error;
  }
};

const readKinds = async (
  { session }: OpenMember,
  relations: readonly SyncRelation[],
): Promise<Map<string, RelationFacts['kind']>> => {
  const found = await readRelations(
    session,
    relations.map(({ relation }) => relation),
  );
  return new Map(found.map(({ relation, kind }) => [formatRelation(relation), kind]));
};
