/** Whether a position still means something on the source that it was read from (engine rules §2, §22). Pure. */
import { unreachable } from '../../model/errors.ts';
import { canServe } from './consumer.ts';
import { judgeLineage, type Lineage } from './lineage.ts';
import { parseSnapshot, type Position, type Snapshot } from './position.ts';

export interface PositionVerdict {
  readonly code: 'position_lost' | 'server_unsupported';
  /** What is the matter with the source, as the end of a sentence that begins with its name. */
  readonly what: string;
  /** What else may be done than to copy; empty: nothing. */
  readonly advice: string;
  /** The source is the one that was read; what followed the position was discarded. */
  readonly isGap: boolean;
}

export const whatStandbyIs =
  'is in recovery: a standby does not tell which transactions are in progress, so it cannot be a source';

/** Null when the position holds. */
export const judgePosition = (facts: {
  readonly position: Position;
  /** Of the source, as it is now. */
  readonly lineage: Lineage;
  readonly snapshot: Snapshot;
  /** Before these the source serves nothing to this reader; undefined when it does not know the reader. */
  readonly floors: readonly Snapshot[] | undefined;
}): PositionVerdict | null => {
  const { position, lineage, snapshot, floors } = facts;
  const xmaxOf = (taken: Snapshot): bigint => parseSnapshot(taken).xmax;
  const verdict = judgeLineage(
    { ...position.lineage, xmax: xmaxOf(position.snapshot) },
    { ...lineage, xmax: xmaxOf(snapshot) },
  );
  const lost = (what: string, advice = '', isGap = false): PositionVerdict => ({
    code: 'position_lost',
    what,
    advice,
    isGap,
  });
  switch (verdict) {
    case 'same':
    case 'promoted':
    case 'upgraded':
      if (canServe(position.snapshot, floors)) return null;
      return lost('had to discard changes that were not read yet, or was set up again', '', true);
    case 'standby':
      return { code: 'server_unsupported', what: whatStandbyIs, advice: '', isGap: false };
    case 'rewound':
      return lost(
        'was set back to an earlier state: restored, promoted from a standby that missed the end, or rolled back',
      );
    case 'unproven':
      return lost(
        'was promoted, and the role may not see whether it missed anything (docs/privileges.md, "After a failover")',
      );
    case 'cloned':
      return lost(
        'is a copy of the database that was read before, in the same cluster',
        'If the original is meant, correct dbname= with `tahr update db`, then `tahr resume` the sync. The copy notes changes that nobody reads, until the schema of Tahr is dropped there. ',
      );
    case 'restored':
      return lost('was made by dump and restore; its transactions have other numbers');
    default:
      return unreachable(verdict);
  }
};
