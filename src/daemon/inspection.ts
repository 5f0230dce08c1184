/**
 * What the next rounds of a sync would do, without a daemon and without touching what one does.
 *
 * The lanes are those of the daemon, and who takes part is decided as there. Each lane is looked at by itself, as everything is now.
 */
import { isReplicationError, ReplicationError } from '../model/errors.ts';
import { type Database, type Member, relationsOn, sources, type SyncDefinition } from '../model/topology.ts';
import { type DatabasePreview, previewRound } from '../replication/preview.ts';
import { systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { Catalogs } from './catalogs.ts';
import { Databases } from './databases.ts';
import { LaneLoans } from './lane-loans.ts';
import { type LanePlan, membersOf, planLanes, presenceOf } from './lane-plan.ts';

export interface SyncInspection {
  readonly sync: SyncDefinition;
  readonly lanes: readonly LaneInspection[];
  readonly absent: readonly AbsentDatabase[];
}

export interface LaneInspection {
  readonly plan: LanePlan;
  readonly outlook: LaneOutlook;
}

type LaneOutlook =
  | { readonly kind: 'planned'; readonly databases: readonly DatabasePreview[] }
  /** No round can begin before this database answers. */
  | { readonly kind: 'waiting'; readonly database: Database }
  /** The round would end with this before it had written anything anywhere. */
  | { readonly kind: 'failing'; readonly error: ReplicationError };

export interface AbsentDatabase {
  readonly database: Database;
  /** Null: it is inactive. */
  readonly error: ReplicationError | null;
}

export interface InspectOptions {
  readonly sync: SyncDefinition;
  /** Of the replication objects on the databases. */
  readonly schema: string;
  readonly signal: AbortSignal;
}

/** @throws ReplicationError `interrupted` when the signal aborts */
export const inspectSync = async ({ sync, schema, signal }: InspectOptions): Promise<SyncInspection> => {
  // That a database is away is part of the result; a bug is not.
  const log = createLog({ level: 'error', destination: 'stderr' });
  const databases = new Databases({
    clock: systemClock,
    log,
    random: Math.random,
    applicationName: 'tahr inspect',
  });
  const loans = new LaneLoans(databases);
  const cutOff = (): void => loans.abort();
  signal.addEventListener('abort', cutOff);
  try {
    await databases.use(sync.members.map(({ database }) => database).filter(isActive));
    await databases.checkAll();
    const lanes: LaneInspection[] = [];
    for (const plan of planLanes(sync)) {
      const outlook = await lookAhead({ sync, schema, plan, databases, loans });
      if (signal.aborted) throw interrupted();
      lanes.push({ plan, outlook });
    }
    return { sync, lanes, absent: absentOf(sync, databases) };
  } catch (error) {
    throw signal.aborted ? interrupted() : error;
  } finally {
    signal.removeEventListener('abort', cutOff);
    await databases.use([]);
  }
};

const isActive = ({ status }: Database): boolean => status === 'active';

interface LaneLook {
  readonly sync: SyncDefinition;
  readonly schema: string;
  readonly plan: LanePlan;
  readonly databases: Databases;
  readonly loans: LaneLoans;
}

const lookAhead = async ({ sync, schema, plan, databases, loans }: LaneLook): Promise<LaneOutlook> => {
  const presence = presenceOf(plan, (database) => databases.isUp(database));
  if (presence.kind === 'missing') return { kind: 'waiting', database: presence.member.database };
  if (plan.kind === 'fullcopy')
    return { kind: 'planned', databases: presence.written.map(wholeCopyOf(sync)) };
  const borrow = loans.borrow.bind(loans);
  const catalogs = new Catalogs({
    schema,
    definition: () => sync,
    members: membersOf(plan),
    borrow,
    serverVersion: (database) => databases.serverVersion(database),
    onRead: () => undefined,
  });
  const { sources, written } = presence;
  const catalogOf = catalogs.get.bind(catalogs);
  try {
    const previews = await previewRound({ sync, schema, sources, written, borrow, catalogOf });
    return { kind: 'planned', databases: previews };
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    return { kind: 'failing', error };
  }
};

const wholeCopyOf =
  (sync: SyncDefinition) =>
  ({ database }: Member): DatabasePreview => ({
    database: database.name,
    startsAnew: false,
    problem: null,
    tables: relationsOn(sync, database.id)
      .filter(({ kind }) => kind === 'table')
      .map(({ relation }) => ({
        kind: 'copy',
        table: relation,
        from: sources(sync)[0]?.database.name ?? database.name,
      })),
  });

const absentOf = ({ members }: SyncDefinition, databases: Databases): AbsentDatabase[] =>
  members.flatMap(({ database }: Member): AbsentDatabase[] => {
    if (!isActive(database)) return [{ database, error: null }];
    const problem = databases.problemOf(database.id);
    return problem === null ? [] : [{ database, error: problem.error }];
  });

const interrupted = (): ReplicationError =>
  new ReplicationError('interrupted', {
    message: 'The inspection was cut off; nothing was changed.',
  });
