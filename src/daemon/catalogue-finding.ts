/** What has happened to a table of a source past its triggers, and what the operator is told of it. Pure. */
import {
  compareFingerprints,
  type Fingerprint,
  type FingerprintFinding,
} from '../connectors/postgres/fingerprint.ts';
import { type Database, formatRelation, type RelationId, type RelationName } from '../model/topology.ts';

/** A table as it was seen last. */
export interface Watched {
  readonly id: RelationId;
  readonly relation: RelationName;
  readonly oid: string;
  readonly fingerprint: Fingerprint;
  /** It was not there any more at the last look. */
  readonly isMissing: boolean;
}

export type Finding = FingerprintFinding | 'relation_replaced' | 'capture_incomplete';

/** What the operator is told; of the other findings nothing was missed. */
const disturbances: Readonly<Partial<Record<Finding, string>>> = {
  capture_disturbed: 'its triggers were disabled, dropped or made anew',
  capture_incomplete:
    'its triggers were gone, or did not see all changes: another table or a subscription feeds it',
  partitions_changed: 'partitions were attached, detached, created or dropped',
  relation_replaced: 'it was dropped and made anew',
};

/** Null: nothing. */
export const findingOf = (before: Watched, now: Watched): Finding | null => {
  if (now.oid !== before.oid) return 'relation_replaced';
  return compareFingerprints(before.fingerprint, now.isMissing ? undefined : now.fingerprint);
};

/** Null: nothing was missed. */
export const messageOf = ({ name }: Database, { relation }: Watched, finding: Finding): string | null => {
  const what = disturbances[finding];
  if (what === undefined) return null;
  return (
    `Table ${formatRelation(relation)} on ${name} may have changed without being captured: ${what}. ` +
    `Compare it with the other databases; a copy (onetimecopy=1) makes them equal.`
  );
};
