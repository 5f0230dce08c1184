/** Takes away everything that Tahr keeps on a database that no sync uses any more. */
import { uninstall, uninstallByHand } from '../connectors/postgres/capture.ts';
import { checkOwner, type SchemaOwner } from '../connectors/postgres/identity.ts';
import type { Session } from '../pg/session.ts';

/**
 * @returns false where there is nothing
 * @throws ReplicationError `foreign_installation` where the schema is somebody else's; `given_way` when a table was busy for a minute
 */
export const uninstallFrom = async (
  session: Session,
  owner: SchemaOwner,
  signal: AbortSignal,
): Promise<boolean> => {
  if (!(await checkOwner(session, owner))) return false;
  await uninstall(session, owner.schema, signal);
  return true;
};

/** What does the same, for a database that cannot be reached now. */
export const removedByHand = (schema: string): string => `${uninstallByHand(schema).inlined()};`;
