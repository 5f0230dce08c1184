/**
 * Checks of sequences: are they there and permitted, do the databases count in one way, so that the value that went
 * furthest means the same everywhere and can be set, and can they be interleaved where that is wanted. Pure.
 *
 * Start value and cache make no difference. Nor does a limit behind the values: only the one that they go towards.
 */
import type { SequenceFacts } from '../connectors/postgres/sequence-facts.ts';
import type { SyncDefinition } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import { shareOf } from './share.ts';
import type { Side, SideSequence } from './side.ts';

export const checkSequences = (definition: SyncDefinition, sides: readonly Side[]): Finding[] => [
  ...sides.flatMap((side) => side.sequences.flatMap((sequence) => checkPresence(side, sequence))),
  ...checkDefinitions(sides),
  ...sides.flatMap((side) => side.sequences.flatMap((one) => checkInterleaving(definition, side, one))),
];

const checkPresence = (side: Side, { relation, facts }: SideSequence): Finding[] => {
  const at = { database: side.database.name, relation: relation.relation };
  if (facts === null)
    return [errorFinding('relation_missing', { ...at, what: 'does not exist, or is no sequence' })];
  const isSet = side.usesDeltas || side.role === 'fullcopy';
  if (facts.mayRead && (facts.maySet || !isSet)) return [];
  const what = `does not give the role SELECT${isSet ? ' and UPDATE' : ''}`;
  return [errorFinding('privilege_missing', { ...at, what })];
};

const checkDefinitions = (sides: readonly Side[]): Finding[] =>
  sides.flatMap((side) =>
    side.sequences.flatMap(({ relation, facts }, index) => {
      const others = sides.filter((other) => other !== side && isSource(other));
      const what =
        facts === null ? null : differenceOf(facts, definitionsOn(others, index), isFirst(sides, side));
      const at = { database: side.database.name, relation: relation.relation };
      return what === null ? [] : [errorFinding('schema_differs', { ...at, what })];
    }),
  );

const isFirst = (sides: readonly Side[], side: Side): boolean => sides.find(isSource) === side;

interface Known {
  /** Of the database. */
  readonly name: string;
  readonly facts: SequenceFacts;
}

const definitionsOn = (sources: readonly Side[], index: number): Known[] =>
  sources.flatMap(({ sequences, database }) => {
    const facts = sequences[index]?.facts ?? null;
    return facts === null ? [] : [{ name: database.name, facts }];
  });

/**
 * The way has to be that of the first source; the first itself is not told about the others. The limits have to hold
 * for all sources: any of them may be the one whose value went furthest.
 */
const differenceOf = (own: SequenceFacts, sources: readonly Known[], isModel: boolean): string | null => {
  const [model] = sources;
  const way = isModel || model === undefined ? null : wayDifference(own, model);
  if (way !== null || own.isCyclic) return way;
  return sources.map((source) => limitDifference(own, source)).find((what) => what !== null) ?? null;
};

/** Values of a cycle are counted round its range, so that has to be the same. */
const wayDifference = (own: SequenceFacts, { name, facts }: Known): string | null => {
  if (own.increment !== facts.increment)
    return `counts by ${own.increment}, and on ${name} by ${facts.increment}`;
  if (own.isCyclic !== facts.isCyclic)
    return own.isCyclic ? `cycles, and on ${name} it does not` : `does not cycle, and on ${name} it does`;
  const hasSameRange = own.minimum === facts.minimum && own.maximum === facts.maximum;
  return own.isCyclic && !hasSameRange
    ? `cycles through ${range(own)}, and on ${name} through ${range(facts)}`
    : null;
};

const limitDifference = (own: SequenceFacts, { name, facts }: Known): string | null => {
  if (facts.isCyclic || facts.increment !== own.increment) return null;
  const isUp = own.increment > 0n;
  const isBeyond = isUp ? facts.maximum > own.maximum : facts.minimum < own.minimum;
  const end = ({ minimum, maximum, type }: SequenceFacts) => `${isUp ? maximum : minimum} (${type})`;
  return isBeyond ? `ends at ${end(own)}, and on ${name} at ${end(facts)}` : null;
};

const range = ({ minimum, maximum, type }: SequenceFacts): string => `${minimum} to ${maximum} (${type})`;

const checkInterleaving = (
  definition: SyncDefinition,
  side: Side,
  { relation, facts }: SideSequence,
): Finding[] => {
  const share = shareOf(definition, side.database.id);
  if (share === null || facts === null) return [];
  const at = { database: side.database.name, relation: relation.relation };
  const findings: Finding[] = [];
  const refuse = (what: string): unknown =>
    findings.push(errorFinding('interleave_impossible', { ...at, what }));
  if (!facts.isOwner) {
    const what = 'is not owned by the role, which has to alter it for sequence=interleave';
    const hint = 'Make the role a member of its owner; `docs/privileges.md` has the SQL.';
    findings.push(errorFinding('privilege_missing', { ...at, what, hint }));
  }
  if (facts.isCyclic) refuse('cycles: after the wrap the sources would draw the same values');
  const { interleaved } = facts;
  if (interleaved !== null && interleaved.sync !== definition.id)
    refuse('is interleaved by another sync already');
  const isShared = interleaved?.share.sources === share.sources && interleaved.share.place === share.place;
  const resting = definition.members.find(
    (member) => isSource(member) && member.database.status !== 'active',
  );
  if (!isShared && resting !== undefined)
    refuse(`cannot be interleaved anew while the source ${resting.database.name} is inactive`);
  return findings;
};
