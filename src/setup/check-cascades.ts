/**
 * Where changes stop between two syncs: one brings them to a database, the other reads that database, and without
 * makedelta they go no further. That may be wanted, so it is a warning. Pure.
 */
import { type Database, formatRelation, type Member, type SyncDefinition } from '../model/topology.ts';
import { type Finding, warningFinding } from './finding.ts';
import { isSource } from './members.ts';

const tablesNamedMax = 3;

/** Between this sync and others, whichever of the two comes first. @param all every sync of the installation */
export const checkCascades = (definition: SyncDefinition, all: readonly SyncDefinition[]): Finding[] =>
  all
    .filter(({ id, status }) => id !== definition.id && status === 'active')
    .flatMap((other) => [...checkPair(other, definition), ...checkPair(definition, other)]);

const checkPair = (bringing: SyncDefinition, reading: SyncDefinition): Finding[] =>
  bringing.members
    .filter((member) => isWritten(bringing, member))
    .flatMap(({ database }) => checkDatabase(database, bringing, reading));

const checkDatabase = (database: Database, bringing: SyncDefinition, reading: SyncDefinition): Finding[] => {
  const isRead = reading.members.some((member) => isSource(member) && member.database.id === database.id);
  const missing = reading.members.filter(
    (member) => isWritten(reading, member) && !has(bringing, member.database),
  );
  const tables = reading.relations
    .filter(({ kind, makedelta }) => kind === 'table' && !(makedelta ?? database.makedelta))
    .filter(({ id }) => bringing.relations.some((relation) => relation.id === id))
    .map(({ relation }) => formatRelation(relation));
  if (!isRead || missing.length === 0 || tables.length === 0) return [];
  const names = missing.map((member) => member.database.name).join(', ');
  const what = `does not hand on to ${names} by sync "${reading.name}" what sync "${bringing.name}" brings to ${listOf(tables)}: makedelta is off there`;
  return [warningFinding('changes_stop', { database: database.name, what })];
};

const isWritten = ({ members }: SyncDefinition, member: Member): boolean =>
  !isSource(member) || members.filter(isSource).length > 1;

const has = ({ members }: SyncDefinition, { id }: Database): boolean =>
  members.some(({ database }) => database.id === id);

const listOf = (tables: readonly string[]): string => {
  const named = tables.slice(0, tablesNamedMax).join(', ');
  return tables.length > tablesNamedMax ? `${named} and ${tables.length - tablesNamedMax} more` : named;
};
