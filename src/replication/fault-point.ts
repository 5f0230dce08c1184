/**
 * The hand-overs of a round and of what follows it: after each of them something is true that was not before, and a process, a connection or a server
 * that is lost exactly there leaves what is true by then. Whoever runs rounds may be told of them; the tests break things there.
 */
import type { Database } from '../model/topology.ts';

export const faultPoints = [
  /** A source has taken the snapshot in which the round reads it. */
  'source_opened',
  /** It is known what has changed for a database that is written, and nothing is locked yet. */
  'changes_read',
  /** The first rows of a table have come from the source, and are on their way to the written database. */
  'copying',
  /** Everything is staged, or copied into empty tables, on the written database; or, where that is little, held for it. */
  'loaded',
  /** A source has ended: what was read can be relied on and cannot be lost any more. Those that follow, up to the commit, may come before it. */
  'source_finished',
  /** The fence: the positions of a written database are moved, in its open transaction, and the rows that will be written are locked. Where nothing is to be decided they are being written already. */
  'rows_locked',
  /** What becomes of the rows of a table is decided, recorded and noted; the rows are as before. */
  'decided',
  /** Verdicts, records, notes and rows are written. */
  'rows_applied',
  /** Nothing is left to do on a written database but its commit. */
  'committing',
  /** It is committed; other databases of the round may not be. */
  'committed',
  /** Conflicts of a database are in the conflict log, and still on the database. */
  'conflicts_logged',
] as const;

export type FaultPoint = (typeof faultPoints)[number];

/** Told of each hand-over with the database that it concerns. What it throws fails the round there. */
export type Reached = (point: FaultPoint, database: Database) => Promise<void>;

/** Nobody asks. */
export const passOn: Reached = async () => undefined;
