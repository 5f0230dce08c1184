/** The error for a command line that cannot be understood: exit code 2, nothing was done. */
import { ReplicationError } from '../../model/errors.ts';

/** `hint` is the next step; without one the catalogue's is shown. */
export const usageError = (message: string, hint?: string): ReplicationError =>
  new ReplicationError('usage', { message, ...(hint === undefined ? {} : { hint }) });
