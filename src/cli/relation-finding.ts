/** Looks for relations where they live: on the database that was named, or on the best one there is. */
import { type ListedRelation, listUserRelations } from '../connectors/postgres/relation-list.ts';
import { getDatabase, listDatabases } from '../control/database.ts';
import type { Db } from '../control/db.ts';
import { listDbGroups } from '../control/dbgroup.ts';
import {
  findRelation,
  type Relation,
  type RelationChanges,
  rememberRelation,
  updateRelation,
} from '../control/relation.ts';
import { addRelGroup, findRelGroup, setRelGroupMembers } from '../control/relgroup.ts';
import { type Database, formatRelation } from '../model/topology.ts';
import type { Say } from './change.ts';
import type { Context } from './context.ts';
import { usageError } from './grammar/usage.ts';
import { chooseRelations } from './relation-choice.ts';

export interface Place {
  readonly database: Database;
  readonly listed: readonly ListedRelation[];
}

/** `name` null: a source if there is one, else the database that was added first. */
export const lookAround = async (db: Db, context: Context, name: string | null): Promise<Place> => {
  const database = name === null ? await bestDatabase(db) : await getDatabase(db, name);
  await using session = await context.connect(database);
  return { database, listed: await listUserRelations(session) };
};

const bestDatabase = async (db: Db): Promise<Database> => {
  const databases = (await listDatabases(db)).filter(({ status }) => status === 'active');
  const members = (await listDbGroups(db)).flatMap((group) => group.members);
  const sources = new Set(members.filter(({ role }) => role === 'source').map(({ database }) => database));
  const best = databases.find(({ name }) => sources.has(name)) ?? databases[0];
  if (best === undefined)
    throw usageError(
      'There is no active database to look for tables on.',
      'Add one first: `tahr add db NAME dbname=DATABASE host=HOST`.',
    );
  return best;
};

interface Found {
  readonly place: Place;
  readonly chosen: readonly ListedRelation[];
  readonly changes: RelationChanges;
}

/** Makes the relations known, with these settings; whether each is new. */
export const rememberAll = async (
  db: Db,
  { place, chosen, changes }: Found,
): Promise<{ relation: Relation; isNew: boolean }[]> => {
  const remembered: { relation: Relation; isNew: boolean }[] = [];
  for (const { kind, schema, name } of chosen) {
    if (kind === 'other') continue;
    const isNew = (await findRelation(db, { schema, name })) === null;
    const relation = await rememberRelation(db, {
      kind,
      relation: { schema, name },
      foundIn: place.database.name,
    });
    await updateRelation(db, relation.id, changes);
    remembered.push({ relation, isNew });
  }
  return remembered;
};

interface Search {
  readonly context: Context;
  readonly words: readonly string[];
  readonly database: string | null;
}

/** Tables and sequences by these words, made known on the way. */
export const findMembers = async (db: Db, { context, words, database }: Search): Promise<Relation[]> => {
  const place = await lookAround(db, context, database);
  const chosen = chooseRelations({
    words,
    kinds: ['table', 'sequence'],
    listed: place.listed,
    database: place.database.name,
  });
  const remembered = await rememberAll(db, { place, chosen, changes: {} });
  return remembered.map(({ relation }) => relation);
};

interface Joining {
  readonly relgroup: string;
  readonly relations: readonly Relation[];
  readonly say: Say;
}

/** Puts relations behind those that are in the relgroup already; the relgroup is made if there is none. */
export const joinRelGroup = async (db: Db, { relgroup, relations, say }: Joining): Promise<void> => {
  const known = await findRelGroup(db, relgroup);
  if (known === null) {
    await addRelGroup(db, relgroup, []);
    say(`Created the relgroup named "${relgroup}"`);
  }
  const before = known?.relations ?? [];
  const isMember = ({ id }: Relation): boolean => before.some((member) => member.id === id);
  const joining = relations.filter((relation) => !isMember(relation));
  await setRelGroupMembers(
    db,
    relgroup,
    [...before, ...joining].map(({ id }) => id),
  );
  sayRelations(
    say,
    `The following tables or sequences were already in the relgroup "${relgroup}":`,
    relations.filter(isMember),
  );
  sayRelations(say, `The following tables or sequences are now part of the relgroup "${relgroup}":`, joining);
};

/** The heading and the names below it; nothing when there are none. */
export const sayRelations = (say: Say, heading: string, relations: readonly Relation[]): void => {
  if (relations.length === 0) return;
  say(heading);
  for (const { relation } of relations) say(`  ${formatRelation(relation)}`);
};
