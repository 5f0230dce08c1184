/**
 * What takes part in a sync from now on, or in another way than before, and what is copied because of it. Pure.
 *
 * A database or a table that joins is filled where it is empty; what somebody else has put there stays. Rows that go to a database in
 * another way than before are brought there once more.
 */
import {
  type CopyRequest,
  type Database,
  formatRelation,
  type Member,
  relationsOn,
  sources,
  type SyncDefinition,
  type SyncRelation,
} from '../model/topology.ts';
import { keepsPositions } from '../setup/members.ts';
import { fullCopyNotice } from './copy-notice.ts';

interface RelationPlace {
  readonly database: Database;
  readonly relation: SyncRelation;
}

export interface SyncNews {
  readonly members: readonly Member[];
  readonly tables: readonly SyncRelation[];
  /** Called otherwise than before on databases that took part before. */
  readonly renamed: readonly RelationPlace[];
  /** Of which other rows, or other columns, go to a database than before. */
  readonly refiltered: readonly RelationPlace[];
}

export const newsOf = (definition: SyncDefinition, old: SyncDefinition): SyncNews => {
  const wayOf = (member: Member): string => `${member.database.id} ${keepsPositions(member)}`;
  const members = new Set(old.members.map(wayOf));
  const relations = new Set(old.relations.map(({ id }) => id));
  return {
    members: definition.members.filter((member) => !members.has(wayOf(member))),
    tables: definition.relations.filter(
      ({ id, kind, isGhost }) => kind === 'table' && !isGhost && !relations.has(id),
    ),
    renamed: placesOf(definition, old, ({ relation }) => formatRelation(relation)),
    refiltered: placesOf(definition, old, ({ filters, customCols }, { id }) =>
      JSON.stringify([...filters, ...customCols].filter(({ database }) => database === id)),
    ),
  };
};

/** Where something about a relation is not as it was. */
const placesOf = (
  definition: SyncDefinition,
  old: SyncDefinition,
  factOf: (relation: SyncRelation, database: Database) => string,
): RelationPlace[] =>
  old.members
    .filter((member) => keepsPositions(member) && isMember(definition, member))
    .flatMap(({ database }) => {
      const before = new Map(
        relationsOn(old, database.id).map((relation) => [relation.id, factOf(relation, database)]),
      );
      return relationsOn(definition, database.id).flatMap((relation) => {
        const former = before.get(relation.id);
        const isSame = relation.isGhost || former === undefined || former === factOf(relation, database);
        return isSame ? [] : [{ database, relation }];
      });
    });

const isMember = ({ members }: SyncDefinition, { database, role }: Member): boolean =>
  members.some((member) => member.database.id === database.id && member.role === role);

type Request = Omit<CopyRequest, 'generation'>;

export const copiesFor = (definition: SyncDefinition, news: SyncNews): Request[] => [
  ...news.members
    .filter(keepsPositions)
    .map(({ database }): Request => ({ database: database.id, relation: null, mode: 'fill' })),
  ...news.tables.map(({ id }): Request => ({ database: null, relation: id, mode: 'fill' })),
  ...news.renamed.filter(isCopiedTo(definition)).map((place) => requestFor(place, 'fill')),
  ...news.refiltered.map((place) => requestFor(place, 'replace')),
];

const requestFor = ({ database, relation }: RelationPlace, mode: CopyRequest['mode']): Request => ({
  database: database.id,
  relation: relation.id,
  mode,
});

/** All but the first source, which is what is copied. Of a sequence there is nothing to copy. */
const isCopiedTo =
  (definition: SyncDefinition) =>
  ({ database, relation }: RelationPlace): boolean =>
    relation.kind === 'table' && firstOf(definition)?.id !== database.id;

const firstOf = (sync: SyncDefinition): Database | undefined => sources(sync)[0]?.database;

/** Sentences for whoever has made the change. */
export const newsNotice = (sync: SyncDefinition, news: SyncNews): string[] => {
  const first = firstOf(sync);
  if (first === undefined) return [];
  const joined = news.members.filter(keepsPositions).map(({ database }) => database);
  const isElsewhere = isCopiedTo(sync);
  const lines = [
    ...joinLines(first, joined),
    ...tableLines(first, news.tables),
    ...renameLines(first, news.renamed, isElsewhere),
    ...refilterLines(first, news.refiltered),
  ];
  return [
    ...lines,
    ...fullCopyNotice(sync, news.members),
    ...(lines.length === 0 ? [] : [howToCopy(sync, first)]),
  ];
};

const joinLines = (first: Database, joined: readonly Database[]): string[] => {
  const others = joined.filter(({ id }) => id !== first.id);
  if (others.length === 0) return [];
  return [
    `${listOf(others.map(({ name }) => name))} ${takes(others)} part from now on. Tables that are empty there are copied from ${first.name}; what others hold stays.`,
  ];
};

const tableLines = (first: Database, tables: readonly SyncRelation[]): string[] =>
  tables.length === 0
    ? []
    : [
        `${listOf(tables.map(({ relation }) => formatRelation(relation)))} ${takes(tables)} part from now on, copied from ${first.name} to where it is empty; what others hold stays.`,
      ];

const renameLines = (
  first: Database,
  renamed: readonly RelationPlace[],
  isCopied: (place: RelationPlace) => boolean,
): string[] =>
  renamed.map((place) => {
    const what = isCopied(place)
      ? `It is copied from ${first.name} if it is empty; else what is there stays.`
      : 'What was there before is not copied.';
    return `${placeName(place)} takes part from now on. ${what}`;
  });

const refilterLines = (first: Database, refiltered: readonly RelationPlace[]): string[] =>
  refiltered.map(
    (place) =>
      `${placeName(place)} is copied from ${first.name} once more, so that all rows are there as they are to be now.`,
  );

const placeName = ({ database, relation }: RelationPlace): string =>
  `${formatRelation(relation.relation)} on ${database.name}`;

const takes = ({ length }: readonly unknown[]): string => (length === 1 ? 'takes' : 'take');
const listOf = (names: readonly string[]): string => names.join(', ');

const howToCopy = ({ name }: SyncDefinition, first: Database): string =>
  `To copy all from ${first.name} to all others, and delete there what ${first.name} lacks: \`tahr update sync ${name} onetimecopy=1\`.`;
