/** One database of a sync with everything that is read from it before anything is changed. */
import { readRelations, type RelationFacts } from '../connectors/postgres/catalogue.ts';
import { readTables } from '../connectors/postgres/introspect.ts';
import type { Table } from '../connectors/postgres/table.ts';
import {
  readSequenceFacts,
  readTablePrivileges,
  readTraits,
  type SequenceFacts,
  type TablePrivilege,
  type Traits,
} from '../connectors/postgres/traits.ts';
import { formatRelation, type SyncDefinition, type SyncRelation } from '../model/topology.ts';
import type { OpenMember } from './members.ts';

export interface SideTable {
  readonly relation: SyncRelation;
  /** Null where there is no such table. */
  readonly table: Table | null;
  /** What carries the name instead; null where nothing does. */
  readonly found: RelationFacts['kind'] | null;
  readonly privileges: ReadonlySet<TablePrivilege>;
}

export interface SideSequence {
  readonly relation: SyncRelation;
  readonly facts: SequenceFacts | null;
}

export interface Side extends OpenMember {
  readonly traits: Traits;
  /** In the order of the sync, on every side. */
  readonly tables: readonly SideTable[];
  readonly sequences: readonly SideSequence[];
}

export const readSides = (
  definition: SyncDefinition,
  { members, schema }: { readonly members: readonly OpenMember[]; readonly schema: string },
): Promise<Side[]> => {
  const oldestVersion = Math.min(...members.map(({ session }) => session.serverVersion));
  return Promise.all(members.map((member) => readSide(definition, { member, schema, oldestVersion })));
};

interface Reading {
  readonly member: OpenMember;
  readonly schema: string;
  readonly oldestVersion: number;
}

const readSide = async (
  definition: SyncDefinition,
  { member, schema, oldestVersion }: Reading,
): Promise<Side> => {
  const { session } = member;
  const relations = definition.relations.filter(({ kind }) => kind === 'table');
  const sequences = definition.relations.filter(({ kind }) => kind === 'sequence');
  const tables = await readTables(session, relations, { schema, oldestVersion });
  const kinds = await readKinds(member, relations);
  const oids = tables.flatMap((table) => (table === null ? [] : [table.oid]));
  const privileges = await readTablePrivileges(session, oids);
  const facts = await readSequenceFacts(
    session,
    sequences.map(({ relation }) => relation),
  );
  return {
    ...member,
    traits: await readTraits(session, schema),
    tables: relations.map((relation, index) => {
      const table = tables[index] ?? null;
      const found = kinds.get(formatRelation(relation.relation)) ?? null;
      return { relation, table, found, privileges: privileges.get(table?.oid ?? '') ?? new Set() };
    }),
    sequences: sequences.map((relation, index) => ({ relation, facts: facts[index] ?? null })),
  };
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
