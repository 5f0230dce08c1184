/**
 * Checks that names which relations have on some databases only do not get into each other's way: two relations of a sync must not be one
 * table, and a table whose changes are captured is captured once, for all syncs. Pure.
 */
import {
  formatRelation,
  type Member,
  type RelationId,
  type RelationName,
  relationsOn,
  type SyncDefinition,
} from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';

/** @param all every sync of the installation */
export const checkNames = (definition: SyncDefinition, all: readonly SyncDefinition[]): Finding[] =>
  definition.members.flatMap((member) => [
    ...checkTwice(definition, member),
    ...(isSource(member) ? all.flatMap((other) => checkCaptured(definition, other, member)) : []),
  ]);

const checkTwice = (definition: SyncDefinition, { database }: Member): Finding[] => {
  const byName = Map.groupBy(relationsOn(definition, database.id), ({ relation }) =>
    formatRelation(relation),
  );
  return [...byName.values()].flatMap((relations) => {
    const [{ relation } = { relation: undefined }, ...others] = relations;
    if (relation === undefined || others.length === 0) return [];
    const originals = relations.map(({ id }) => formatRelation(nameOf(definition, id)));
    const what = `would be ${originals.join(' and ')} at once`;
    return [errorFinding('names_collide', { database: database.name, relation, what })];
  });
};

const nameOf = ({ relations }: SyncDefinition, id: RelationId): RelationName =>
  relations.find((relation) => relation.id === id)?.relation ?? { schema: '', name: String(id) };

const checkCaptured = (
  definition: SyncDefinition,
  other: SyncDefinition,
  { database }: Member,
): Finding[] => {
  const isRead = other.members.some((member) => isSource(member) && member.database.id === database.id);
  if (other.id === definition.id || !isRead) return [];
  const known = new Map(relationsOn(other, database.id).map(({ id, relation }) => [id, relation]));
  return relationsOn(definition, database.id).flatMap(({ id, relation }) => {
    const elsewhere = known.get(id);
    if (elsewhere === undefined || formatRelation(elsewhere) === formatRelation(relation)) return [];
    const what = `is called ${formatRelation(elsewhere)} in sync "${other.name}", and the changes of a source are captured once for all syncs`;
    return [errorFinding('names_collide', { database: database.name, relation, what })];
  });
};
