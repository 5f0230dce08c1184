/**
 * Makes the databases of a sync ready for it. Can be run again: what is there already stays as it is.
 *
 * The order matters. A consumer is registered before capture begins, so that nothing is discarded that it needs; its
 * first position is taken after capture was committed, so that every change that the position does not see is in
 * the deltas. When a step fails, what this call made new is removed again.
 */
import { installCapture, removeCapture, uninstall } from '../connectors/postgres/capture.ts';
import {
  readUnusedCapture,
  type Registered,
  registerConsumer,
  removeConsumer,
  retainConsumers,
} from '../connectors/postgres/consumer.ts';
import { adoptRestored, installSchema, isInstalled } from '../connectors/postgres/identity.ts';
import { readLineage, type StoredLineage } from '../connectors/postgres/lineage.ts';
import {
  beginPosition,
  readPositions,
  retainPositions,
  type Snapshot,
} from '../connectors/postgres/position.ts';
import { PostgresReader } from '../connectors/postgres/reader.ts';
import { ReplicationError } from '../model/errors.ts';
import type { Database, DatabaseId, SyncDefinition } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import type { Finding } from './finding.ts';
import { interleaveAll, putBackLeftovers } from './interleave.ts';
import {
  type Connect,
  isSource,
  keepsPositions,
  type OpenMember,
  reachMembers,
  throwAll,
} from './members.ts';
import { readSides, type Side } from './side.ts';
import { Undo } from './undo.ts';
import { checkSync } from './validate.ts';

export interface SetupOptions {
  readonly definition: SyncDefinition;
  readonly installation: string;
  readonly schema: string;
  readonly connect: Connect;
  readonly signal: AbortSignal;
}

/**
 * @returns what was found that does not stand in the way
 * @throws ReplicationError everything that does, together; then nothing was changed
 */
export const installSync = async (options: SetupOptions): Promise<Finding[]> => {
  await using reached = await reachMembers(options.definition, options.connect);
  throwAll(reached.failures);
  const { members } = reached;
  const sides = await readSides(options.definition, { ...options, members });
  const findings = await checkSync(options.definition, sides);
  throwAll(findings.filter(({ severity }) => severity === 'error').map(({ error }) => error));
  const undo = new Undo();
  try {
    await install(options, sides, undo);
  } catch (error) {
    await undo.run();
    throw error;
  }
  for (const side of sides) await removeLeftovers(options, side);
  await putBackLeftovers(options, sides);
  return findings;
};

const install = async (options: SetupOptions, sides: readonly Side[], undo: Undo): Promise<void> => {
  const { schema, installation, signal } = options;
  for (const { session, database } of sides.filter(({ usesDeltas }) => usesDeltas)) {
    const isNew = await installSchema(session, { schema, installation, database: database.id });
    if (isNew) undo.add(() => uninstall(session, schema, signal));
    else if (options.definition.onetimecopy !== 0) await adoptIfRestored(session, schema);
  }
  for (const source of sides.filter((side) => isSource(side) && side.usesDeltas)) {
    const readers = readersOf(options, source);
    undo.add(() => removeUnusedCapture(options, source));
    const registered = await registerConsumers(options, { source, readers, undo });
    await captureTables(options, source);
    const written = sides.filter(({ database }) => readers.includes(database.id));
    await writePositions(options, { source, written, registered, undo });
  }
  await interleaveAll(options, sides, undo);
};

/** Only where a copy was asked for, which makes the positions anew: otherwise changes would be passed over in silence. */
const adoptIfRestored = async (session: Session, schema: string): Promise<void> => {
  const { isPhysicalCopy } = await readLineage(session, schema);
  if (!isPhysicalCopy) await adoptRestored(session, schema);
};

/** Who reads a source: also members that are inactive now, for which its changes are kept. */
const readersOf = ({ definition }: SetupOptions, source: OpenMember): DatabaseId[] =>
  definition.members
    .filter((member) => keepsPositions(member) && member.database.id !== source.database.id)
    .map(({ database }) => database.id);

interface Registration {
  readonly source: Side;
  readonly readers: readonly DatabaseId[];
  readonly undo: Undo;
}

type Consumers = ReadonlyMap<DatabaseId, Registered>;

const registerConsumers = async (
  options: SetupOptions,
  { source, readers, undo }: Registration,
): Promise<Consumers> => {
  const { schema, definition } = options;
  const tables = definition.relations.filter(({ kind }) => kind === 'table').map(({ id }) => id);
  const registered = new Map<DatabaseId, Registered>();
  for (const database of readers) {
    const consumer = { sync: definition.id, database };
    const one = await registerConsumer(source.session, { schema, consumer, tables });
    registered.set(database, one);
    if (one.isNew) undo.add(() => source.session.script(removeConsumer(schema, consumer)));
  }
  return registered;
};

const captureTables = async ({ schema, signal }: SetupOptions, { session, tables }: Side): Promise<void> => {
  const requests = tables.flatMap(({ relation, table }) =>
    table === null ? [] : [{ id: relation.id, table, merge: relation.merge }],
  );
  await installCapture(session, { schema, tables: requests, signal });
};

const removeUnusedCapture = async ({ schema, signal }: SetupOptions, { session }: Side): Promise<void> => {
  const tables = await readUnusedCapture(session, schema);
  await removeCapture(session, { schema, tables, signal });
};

interface Beginning {
  readonly source: Side;
  readonly written: readonly Side[];
  readonly registered: Consumers;
  readonly undo: Undo;
}

/**
 * Where a database has no position in the source yet, it begins now, or where changes have been kept for it since it was away. One that
 * reads other sources already is not copied for the sake of a source that joins them; one that has read none is one generation
 * behind, so that its first round copies.
 * @throws ReplicationError `position_lost` where it had a position, and no copy was asked for that would make up for it
 */
const writePositions = async (
  options: SetupOptions,
  { source, written, registered, undo }: Beginning,
): Promise<void> => {
  const { schema, definition } = options;
  const { snapshot: now, lineage } = await readBeginning(source.session, options);
  for (const { session, database } of written) {
    const positions = await readPositions(session, schema, definition.id);
    if (positions.some((position) => position.source === source.database.id)) continue;
    const { isNew, untouchedSince } = registered.get(database.id) ?? { isNew: true, untouchedSince: null };
    if (!isNew && untouchedSince === null && definition.onetimecopy === 0)
      throw positionMissing(database, source.database);
    const others = positions.map((position) => position.source);
    undo.add(() => session.script(retainPositions(schema, definition.id, others)));
    const begin = beginPosition(schema, definition.id, {
      source: source.database.id,
      seq: 0n,
      snapshot: isNew ? now : (untouchedSince ?? now),
      lineage,
      copyGeneration: Math.max(
        definition.copyGeneration - (definition.copies.length === 0 ? 0 : 1),
        ...positions.map(({ copyGeneration }) => copyGeneration),
      ),
    });
    await session.script(begin);
  }
};

const positionMissing = ({ name }: Database, source: Database): ReplicationError =>
  new ReplicationError('position_lost', {
    message: `${name} does not tell any more how far it has read ${source.name}: it was restored without the schema of Tahr, or that was emptied.`,
    facts: { source: source.name, database: name },
  });

/** Where the source is now, when it has flushed what it showed of that. */
const readBeginning = async (
  session: Session,
  { schema, definition }: SetupOptions,
): Promise<{ readonly snapshot: Snapshot; readonly lineage: StoredLineage }> => {
  const reader = new PostgresReader(session, schema);
  const { snapshot, lsn } = await reader.begin(definition.id);
  await reader.finish([], lsn);
  return { snapshot, lineage: { ...(await readLineage(session, schema)), lsn } };
};

/** What an earlier form of the sync needed and this one does not. */
const removeLeftovers = async (options: SetupOptions, side: Side): Promise<void> => {
  const { schema, definition } = options;
  const { session, usesDeltas } = side;
  // What is there may be another installation's: nothing of ours was put there.
  if (!usesDeltas && (side.foreign !== null || !(await isInstalled(session, schema)))) return;
  const readers = isSource(side) ? readersOf(options, side) : [];
  const sources = definition.members.filter(isSource).map(({ database }) => database.id);
  await session.script(
    retainConsumers(schema, definition.id, readers),
    retainPositions(schema, definition.id, keepsPositions(side) ? sources : []),
  );
  await removeUnusedCapture(options, side);
};
