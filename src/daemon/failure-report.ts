/** A failure as it is shown and stored. */
import type { LastError } from '../control/sync-state.ts';
import { errorCatalogue, isReplicationError, type ReplicationError } from '../model/errors.ts';

/** Anything that is no expected failure is a bug, and is said to be one. */
export const asLastError = (error: unknown): LastError => {
  if (isReplicationError(error)) return describe(error);
  const message = `Tahr met something that it does not expect: ${error instanceof Error ? error.message : String(error)}`;
  return { code: 'internal_error', message, hint: errorCatalogue.internal_error.action };
};

const describe = ({ code, message, hint }: ReplicationError): LastError => ({ code, message, hint });
