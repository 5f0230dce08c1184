/**
 * Whether the positions that the databases of a sync keep still mean something on its sources. Nothing is said of a
 * database that has none yet, nor when a copy was asked for: it makes them anew.
 */
import { decodeFloors, selectFloors } from '../connectors/postgres/consumer.ts';
import { readLineage } from '../connectors/postgres/lineage.ts';
import { readPositions, takeSnapshot } from '../connectors/postgres/position.ts';
import { judgePosition } from '../connectors/postgres/position-verdict.ts';
import type { SyncDefinition } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side } from './side.ts';

export const checkPositions = async (
  definition: SyncDefinition,
  all: readonly Side[],
  schema: string,
): Promise<Finding[]> => {
  if (definition.onetimecopy !== 0) return [];
  const sides = all.filter(({ traits, foreign }) => traits.schemaExists && foreign === null);
  const findings = await Promise.all(
    sides.filter(isSource).map(async (source) => checkReaders(definition, { source, sides, schema })),
  );
  return findings.flat();
};

const checkReaders = async (
  { id }: SyncDefinition,
  {
    source,
    sides,
    schema,
  }: { readonly source: Side; readonly sides: readonly Side[]; readonly schema: string },
): Promise<Finding[]> => {
  // Before the source is looked at: positions may move meanwhile, and none may lie beyond what is seen there.
  const read = await Promise.all(sides.map(({ session }) => readPositions(session, schema, id)));
  const lineage = await readLineage(source.session, schema);
  const snapshot = await takeSnapshot(source.session);
  const floors = decodeFloors(await source.session.query(selectFloors(schema, id)));
  const findings: Finding[] = [];
  for (const [index, { database }] of sides.entries()) {
    const position = read[index]?.find((candidate) => candidate.source === source.database.id);
    if (position === undefined) continue;
    const verdict = judgePosition({ position, lineage, snapshot, floors: floors.get(database.id) });
    if (verdict === null) continue;
    const what = `${verdict.what}; what ${database.name} has read of it cannot be told any more`;
    findings.push(errorFinding(verdict.code, { database: source.database.name, what }));
  }
  return findings;
};
