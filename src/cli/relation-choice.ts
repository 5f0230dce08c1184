/** Which relations of a database the operator means. Pure. */
import type { ListedRelation } from '../connectors/postgres/relation-list.ts';
import { ReplicationError } from '../model/errors.ts';
import { didYouMean } from '../model/nearest.ts';
import { formatRelation, type RelationKind } from '../model/topology.ts';
import { matchesRelation, namePattern, type RelationPattern, relationPattern } from './grammar/patterns.ts';

interface Choice {
  readonly words: readonly string[];
  /** What may be chosen: tables, sequences, or both. */
  readonly kinds: readonly RelationKind[];
  readonly listed: readonly ListedRelation[];
  /** For the sentences. */
  readonly database: string;
}

/**
 * The relations that the words name, each once. A name finds whatever is called so, in any schema; a wildcard leaves out
 * partitions, which come with their parent, and what belongs to an extension.
 * @throws ReplicationError for the first word that finds nothing
 */
export const chooseRelations = (choice: Choice): ListedRelation[] => {
  const found = choice.words.map(relationPattern).flatMap((pattern) => {
    const matching = choice.listed.filter((relation) => isChosen(relation, pattern, choice.kinds));
    if (matching.length === 0) throw nothingFound(pattern, choice);
    return matching;
  });
  return [...new Set(found)];
};

const isChosen = (
  relation: ListedRelation,
  pattern: RelationPattern,
  kinds: readonly RelationKind[],
): boolean =>
  matchesRelation(pattern, relation) &&
  relation.kind !== 'other' &&
  kinds.includes(relation.kind) &&
  (!pattern.hasWildcard || isOrdinary(relation));

const isOrdinary = (relation: ListedRelation): boolean => !relation.isPartition && !relation.isOfExtension;

const nothingFound = (pattern: RelationPattern, { kinds, listed, database }: Choice): ReplicationError => {
  const what = kinds.join(' or ');
  const other = listed.find((relation) => matchesRelation(pattern, relation));
  if (other !== undefined && !pattern.hasWildcard) {
    return new ReplicationError(other.kind === 'other' ? 'relation_unsupported' : 'relation_missing', {
      message: `${formatRelation(other)} on database ${database} is a ${other.description}, not a ${what}.`,
      hint:
        other.kind === 'other'
          ? 'It cannot be replicated; name the tables that it is made from.'
          : `Use \`tahr add ${other.kind}\` for it.`,
      facts: { relation: formatRelation(other), database },
    });
  }
  const suggestion = pattern.hasWildcard
    ? ''
    : didYouMean(pattern.text, similarNames(pattern, listed, kinds));
  return new ReplicationError('relation_missing', {
    message: `Database ${database} has no ${what} ${pattern.hasWildcard ? 'that matches' : 'named'} "${pattern.text}".${suggestion}`,
    hint: 'Names are written as PostgreSQL shows them, upper and lower case included. Nothing was changed.',
    facts: { relation: pattern.text, database },
  });
};

const similarNames = (
  { schema }: RelationPattern,
  listed: readonly ListedRelation[],
  kinds: readonly RelationKind[],
): string[] =>
  listed
    .filter(({ kind }) => kind !== 'other' && kinds.includes(kind))
    .map((relation) => (schema === null ? relation.name : formatRelation(relation)));

export interface AllFilter {
  readonly kind: RelationKind;
  /** Patterns; none: every schema. */
  readonly schemas: readonly string[];
  readonly excludedSchemas: readonly string[];
  readonly tables: readonly string[];
  readonly excludedTables: readonly string[];
}

/** For `add all`: everything of the kind but what was left out. */
export const chooseAll = (filter: AllFilter, listed: readonly ListedRelation[]): ListedRelation[] => {
  const anySchema = matcher(filter.schemas.map(namePattern));
  const noSchema = matcher(filter.excludedSchemas.map(namePattern));
  const anyTable = filter.tables.map(relationPattern);
  const noTable = filter.excludedTables.map(relationPattern);
  return listed.filter(
    (relation) =>
      relation.kind === filter.kind &&
      isOrdinary(relation) &&
      (filter.schemas.length === 0 || anySchema(relation.schema)) &&
      !noSchema(relation.schema) &&
      (anyTable.length === 0 || anyTable.some((pattern) => matchesRelation(pattern, relation))) &&
      !noTable.some((pattern) => matchesRelation(pattern, relation)),
  );
};

const matcher =
  (patterns: readonly { matches: (name: string) => boolean }[]) =>
  (name: string): boolean =>
    patterns.some((pattern) => pattern.matches(name));
