/** What is noted of the rows that a round writes to a database. Pure. */
import type { Noting } from '../../connectors/postgres/notes.ts';
import type { StagePlan } from '../../connectors/postgres/stage.ts';
import { ReplicationError } from '../../model/errors.ts';
import {
  type Database,
  formatRelation,
  type Member,
  sources,
  type SyncDefinition,
  targets,
} from '../../model/topology.ts';
import type { CatalogTable } from './catalog.ts';

/** Null: nothing. Where nobody captures a table, nobody reads what would be noted. */
export const notingOf = (input: {
  readonly sync: SyncDefinition;
  readonly member: Member;
  readonly target: CatalogTable;
}): Noting | null => {
  const { sync, member, target } = input;
  const { shape } = target;
  if (shape === null) return null;
  const relation = sync.relations.find(({ id }) => id === target.id);
  const cascades = relation?.makedelta ?? member.database.makedelta;
  const isGang = member.role === 'source' && sources(sync).length > 1;
  if (!isGang) return cascades ? { shape, which: 'cascading', cascades } : null;
  return { shape, which: cascades || needsAllVersions(sync) ? 'all' : 'met', cascades };
};

/**
 * Between two sources a version can be missed by nobody else. With a third, or a target, one may meet it on the database that
 * received it while the one that made it is away (test/simulation shows the changes that go astray otherwise).
 */
const needsAllVersions = (sync: SyncDefinition): boolean =>
  sources(sync).length > 2 || targets(sync).length > 0;

/** @throws ReplicationError `schema_differs` when the key that finds the rows is not the one by which changes are noted */
export const assertNotable = (plan: StagePlan, { table }: CatalogTable, database: Database): void => {
  const names = plan.key.columns.map(({ name }) => name).join(', ');
  const captured = (table.key?.columns ?? []).map(({ name }) => name).join(', ');
  if (names === captured) return;
  throw new ReplicationError('schema_differs', {
    message: `Table ${formatRelation(table.relation)} is known by (${names}) where its rows come from and by (${captured}) on ${database.name}, so what arrives cannot be passed on from there.`,
    facts: { database: database.name, table: formatRelation(table.relation) },
  });
};
