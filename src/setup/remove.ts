/** Takes a sync away from its databases: its consumers, its positions, and the capture that only it used. */
import { removeCapture } from '../connectors/postgres/capture.ts';
import { forgetSync, readUnusedCapture } from '../connectors/postgres/consumer.ts';
import { checkOwner } from '../connectors/postgres/identity.ts';
import { putBackByHand } from '../connectors/postgres/interleave.ts';
import { isReplicationError, type ReplicationError } from '../model/errors.ts';
import type { Database } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import type { SetupOptions } from './install.ts';
import { furthestGoals, type Goals, putBack, readGoals } from './interleave.ts';

/** A database from which the sync could not be removed. */
export interface Leftover {
  readonly database: Database;
  readonly error: ReplicationError;
  /** What removes the sync there, once the database can be reached. */
  readonly statements: readonly string[];
}

/**
 * Removes the sync from every member that can be reached, also from inactive ones.
 * @returns those that could not
 */
export const removeSync = async (options: SetupOptions): Promise<Leftover[]> => {
  const leftovers: Leftover[] = [];
  const goals = await readReachableGoals(options);
  for (const { database } of options.definition.members) {
    try {
      await using session = await options.connect(database);
      await removeFrom(options, { database, session, goals });
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      leftovers.push({ database, error, statements: removedByHand(options) });
    }
  }
  return leftovers;
};

const removedByHand = ({ schema, definition }: SetupOptions): string[] => {
  const sequences = definition.sequence === 'interleave' ? [putBackByHand(schema, definition.id)] : [];
  return [...forgetSync(schema, definition.id), ...sequences].map((statement) => `${statement.inlined()};`);
};

/** How far the interleaved sequences have gone, as far as it can be known: who is away is told of later. */
const readReachableGoals = async (options: SetupOptions): Promise<Goals> => {
  if (options.definition.sequence !== 'interleave') return new Map();
  const goals: Goals[] = [];
  for (const { database } of options.definition.members) {
    try {
      await using session = await options.connect(database);
      goals.push(await readGoals(options, session));
    } catch (error) {
      if (!isReplicationError(error)) throw error;
    }
  }
  return furthestGoals(goals);
};

interface Place {
  readonly database: Database;
  readonly session: Session;
  readonly goals: Goals;
}

const removeFrom = async (options: SetupOptions, { database, session, goals }: Place): Promise<void> => {
  const { schema, installation, definition, signal } = options;
  const isInstalled = await checkOwner(session, { schema, installation, database: database.id });
  if (!isInstalled) return;
  await putBack(options, session, { goals, isOver: () => true });
  await session.script(...forgetSync(schema, definition.id));
  await removeCapture(session, { schema, tables: await readUnusedCapture(session, schema), signal });
};
