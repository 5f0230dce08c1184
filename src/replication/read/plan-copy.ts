/** What a full copy has before it: its two databases, and how each table of one gets into the other. */
import assert from 'node:assert/strict';
import { readTables } from '../../connectors/postgres/introspect.ts';
import { prepareLocking } from '../../connectors/postgres/lock-settings.ts';
import { readProjections } from '../../connectors/postgres/projection.ts';
import { planReplacement, type ReplacementPlan } from '../../connectors/postgres/replacement.ts';
import type { Table } from '../../connectors/postgres/table.ts';
import { ReplicationError } from '../../model/errors.ts';
import {
  type Database,
  formatRelation,
  type Member,
  relationsOn,
  type SyncRelation,
} from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import type { RoundContext } from '../round.ts';
import { settleAll } from '../settle.ts';

export interface CopySide {
  readonly database: Database;
  readonly session: Session;
  /** As they are called there, in the order of the sync. */
  readonly relations: readonly SyncRelation[];
}

export interface CopyPlan {
  readonly source: CopySide;
  readonly target: CopySide;
  readonly plans: readonly ReplacementPlan[];
}

/** @throws ReplicationError `relation_missing`, `schema_differs`, `customcols_invalid` */
export const planCopy = async (
  { sync, schema }: Pick<RoundContext, 'sync' | 'schema'>,
  { source, target }: Record<'source' | 'target', { readonly member: Member; readonly session: Session }>,
): Promise<CopyPlan> => {
  const sideOf = ({ member: { database }, session }: typeof source): CopySide => ({
    database,
    session,
    relations: relationsOn(sync, database.id).filter(({ isGhost }) => !isGhost),
  });
  const sides = { source: sideOf(source), target: sideOf(target) };
  const oldestVersion = Math.min(source.session.serverVersion, target.session.serverVersion);
  return { ...sides, plans: await planAll(sides, { schema, oldestVersion }) };
};

interface ReadOptions {
  readonly schema: string;
  readonly oldestVersion: number;
}

const planAll = async (
  { source, target }: Omit<CopyPlan, 'plans'>,
  options: ReadOptions,
): Promise<ReplacementPlan[]> => {
  await settleAll([prepareLocking(source.session), prepareLocking(target.session)]);
  const [sent, received] = await settleAll([readAll(source, options), readAll(target, options)]);
  const plans: ReplacementPlan[] = [];
  for (const [index, { id, customCols, filters }] of target.relations.filter(isTable).entries()) {
    const [stored, replaced] = [sent?.[index], received?.[index]];
    assert(stored !== undefined && replaced !== undefined, 'tables of one sync');
    const isForTarget = (one: { readonly database: number }): boolean => one.database === target.database.id;
    const projections = await readProjections(source.session, stored, {
      customCols: customCols.filter(isForTarget),
      oldestVersion: options.oldestVersion,
      database: source.database.name,
      replaced: new Set([target.database.id]),
    });
    plans.push(
      planReplacement({
        id,
        source: projections.get(target.database.id) ?? stored,
        target: replaced,
        database: target.database.name,
        filter: filters.find(isForTarget) ?? null,
      }),
    );
  }
  return plans;
};

export const isTable = ({ kind }: SyncRelation): boolean => kind === 'table';

const readAll = async (
  { session, relations, database }: CopySide,
  options: ReadOptions,
): Promise<Table[]> => {
  const wanted = relations.filter(isTable);
  const found = await readTables(session, wanted, options);
  return found.map((table, index) => {
    if (table !== null) return table;
    const name = formatRelation(wanted[index]?.relation ?? { schema: '', name: '' });
    throw new ReplicationError('relation_missing', {
      message: `${database.name}: there is no table ${name}.`,
      facts: { database: database.name, table: name },
    });
  });
};
