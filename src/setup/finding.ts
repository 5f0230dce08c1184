/** What a check of a sync found: an error stands in its way, a warning does not. */
import { type ErrorCode, ReplicationError } from '../model/errors.ts';
import { formatRelation, type RelationName } from '../model/topology.ts';

export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly error: ReplicationError;
}

interface Details {
  /** The short name of the database. */
  readonly database: string;
  readonly relation?: RelationName;
  readonly column?: string;
  /** What is wrong, as the end of a sentence that begins with the relation or the database. */
  readonly what: string;
  readonly hint?: string;
}

const make = (severity: Finding['severity'], code: ErrorCode, details: Details): Finding => {
  const { database, relation, column, what, hint } = details;
  const subject = relation === undefined ? database : `${formatRelation(relation)} on ${database}`;
  const facts = {
    database,
    ...(relation === undefined ? {} : { relation: formatRelation(relation) }),
    ...(column === undefined ? {} : { column }),
  };
  const message = `${subject} ${what}.`;
  return {
    severity,
    error: new ReplicationError(code, hint === undefined ? { message, facts } : { message, facts, hint }),
  };
};

export const errorFinding = (code: ErrorCode, details: Details): Finding => make('error', code, details);
export const warningFinding = (code: ErrorCode, details: Details): Finding => make('warning', code, details);
