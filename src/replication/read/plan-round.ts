/** What a round begins with: a snapshot on each source, and what each written database is to get of what has changed there. */
import type { Window } from '../../connectors/postgres/changes.ts';
import { type Position, readPositions } from '../../connectors/postgres/position.ts';
import { isReplicationError } from '../../model/errors.ts';
import type { DatabaseId, Member } from '../../model/topology.ts';
import type { DatabaseOutcome, RoundContext, RoundOutcome } from '../round.ts';
import { settleAll } from '../settle.ts';
import { type Delivery, foreseenWindow, planDelivery } from './delivery.ts';
import { type OpenSource, openSource, type OwnSource } from './source.ts';

/** A snapshot on each; the sessions are given back with the stack. */
export const openSources = (context: RoundContext, loans: AsyncDisposableStack): Promise<OwnSource[]> => {
  // Those of the written databases too, at the same time. Who needs one asks again, and hears why it cannot be had.
  for (const { database } of context.written) context.catalogOf(database.id).catch(() => undefined);
  return settleAll(context.sources.map((member) => open(context, member, loans)));
};

const open = async (
  context: RoundContext,
  { database }: Member,
  loans: AsyncDisposableStack,
): Promise<OwnSource> => {
  const catalog = await context.catalogOf(database.id);
  const loan = loans.use(await context.borrow(database.id));
  const source = await openSource({
    session: loan.session,
    schema: context.schema,
    sync: context.sync,
    database,
    catalog,
    window: windowAhead(context),
  });
  await context.reached('source_opened', database);
  return source;
};

/** Where the only written database will look for changes, if it stands where its last round has left it. */
const windowAhead = ({ sync, written, memory }: RoundContext): Window | null => {
  const [member, ...others] = written;
  const positions = member === undefined ? undefined : memory.positions.get(member.database.id);
  if (member?.role !== 'target' || others.length > 0 || positions === undefined) return null;
  return foreseenWindow({ sync, member }, positions);
};

export interface RoundPlan {
  readonly deliveries: readonly Delivery[];
  /** Of all written databases: `bad` for those that cannot be planned for, `empty` until something is done. */
  readonly outcomes: RoundOutcome;
}

export const planDeliveries = async (
  context: RoundContext,
  sources: readonly OpenSource[],
): Promise<RoundPlan> => {
  const deliveries: Delivery[] = [];
  const outcomes = new Map<DatabaseId, DatabaseOutcome>();
  for (const member of context.written) {
    const { id } = member.database;
    try {
      deliveries.push(await planFor(context, member, sources));
      outcomes.set(id, { kind: 'empty' });
    } catch (error) {
      // A side that does not fit hinders itself only. Anything else may concern the sources, and so everybody.
      if (!isReplicationError(error, 'schema_differs')) throw error;
      outcomes.set(id, { kind: 'bad', error });
    }
  }
  return { deliveries, outcomes };
};

const planFor = async (
  context: RoundContext,
  member: Member,
  sources: readonly OpenSource[],
): Promise<Delivery> => {
  const { sync, schema } = context;
  // First the catalog: it finds out whether there is a place for positions at all.
  const catalog = await context.catalogOf(member.database.id);
  const positions = await positionsOf(context, member, sources);
  const delivery = await planDelivery({ sync, schema, member, catalog, positions, sources });
  await context.reached('changes_read', member.database);
  return delivery;
};

/** A source says them in its snapshot; a target is asked when its lane does not know them. */
export const positionsOf = async (
  context: RoundContext,
  { database }: Member,
  sources: readonly OpenSource[],
): Promise<readonly Position[]> => {
  const source = sources.find((candidate) => candidate.database.id === database.id);
  if (source !== undefined) return source.opening.positions;
  const known = context.memory.positions.get(database.id);
  if (known !== undefined) return known;
  await using loan = await context.borrow(database.id);
  const positions = await readPositions(loan.session, context.schema, context.sync.id);
  context.memory.positions.set(database.id, positions);
  return positions;
};
