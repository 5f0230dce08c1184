/** In which way the tables of a sync are others on single databases, for people. Pure. */
import {
  type Database,
  formatRelation,
  operations,
  type SyncDefinition,
  type SyncRelation,
} from '../../model/topology.ts';

/** One line for each table and database where it differs. */
export const mappingLines = ({ members, relations }: SyncDefinition): string[] =>
  members.flatMap(({ database }) =>
    relations.flatMap((relation) => {
      const parts = partsOf(relation, database);
      return parts.length === 0
        ? []
        : [`${formatRelation(relation.relation)} on ${database.name}: ${parts.join(', ')}`];
    }),
  );

const partsOf = ({ customNames, customCols, filters }: SyncRelation, { id }: Database): string[] => {
  const name = customNames.find(({ database }) => database === id);
  const columns = customCols.find(({ database }) => database === id);
  const filter = filters.find(({ database }) => database === id);
  const where = filter?.where ?? null;
  return [
    ...(name === undefined ? [] : [`called ${formatRelation(name.relation)}`]),
    ...(columns === undefined ? [] : [`SELECT ${columns.list}`]),
    ...(where === null ? [] : [`where ${where}`]),
    ...(filter === undefined || filter.operations.length === operations.length
      ? []
      : [`${filter.operations.join(' and ')} only`]),
  ];
};
