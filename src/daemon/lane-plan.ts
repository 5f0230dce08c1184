/**
 * Which databases of a sync are written together. Pure.
 *
 * A sync with one source has a lane for each target, so that each goes at its own pace. With several sources, the
 * sources are one lane, in which all that are present are written in one round; each target is a lane that reads them all. A database in
 * the role fullcopy is a lane that reads the first source.
 */
import {
  type DatabaseId,
  fullCopies,
  type Member,
  sources,
  type SyncDefinition,
  targets,
} from '../model/topology.ts';

export interface LanePlan {
  readonly kind: 'gang' | 'target' | 'fullcopy';
  readonly written: readonly Member[];
  readonly readers: readonly Member[];
}

export const planLanes = (sync: SyncDefinition): LanePlan[] => {
  const readers = sources(sync);
  const gang: LanePlan[] = readers.length > 1 ? [{ kind: 'gang', written: readers, readers }] : [];
  if (readers.length === 0) return [];
  return [
    ...gang,
    ...targets(sync).map((target): LanePlan => ({ kind: 'target', written: [target], readers })),
    ...fullCopies(sync).map(
      (copy): LanePlan => ({ kind: 'fullcopy', written: [copy], readers: readers.slice(0, 1) }),
    ),
  ];
};

/** All databases of the lane, each once. */
export const membersOf = ({ written, readers }: LanePlan): Member[] => [...new Set([...readers, ...written])];

export type Presence =
  | { readonly kind: 'present'; readonly sources: readonly Member[]; readonly written: readonly Member[] }
  | { readonly kind: 'missing'; readonly member: Member };

/** Who takes part in the next round, or who is waited for. */
export const presenceOf = (plan: LanePlan, isUp: (database: DatabaseId) => boolean): Presence => {
  const isPresent = ({ database }: Member): boolean => isUp(database.id);
  const present = plan.readers.filter(isPresent);
  const written = plan.written.filter(isPresent);
  const needed = plan.kind === 'gang' ? 2 : 1;
  const [absent] = written.length === 0 ? plan.written : plan.readers.filter((member) => !isPresent(member));
  if (written.length > 0 && present.length >= needed) return { kind: 'present', sources: present, written };
  if (absent === undefined) throw new Error('a lane without databases');
  return { kind: 'missing', member: absent };
};

/** What two definitions must have in common for the lanes of one to serve the other. */
export const laneShape = ({ members, relations }: SyncDefinition): string =>
  JSON.stringify([members, relations]);
