/** What a copy that was asked for will do, said before anybody is surprised by it. Pure. */
import { sources, type SyncDefinition } from '../model/topology.ts';

/** Nothing when no copy was asked for. */
export const copyNotice = ({ onetimecopy, members }: SyncDefinition & { members: SyncDefinition['members'] }): string[] => {
  const first = sources({ members })[0]?.database;
  if (onetimecopy === 0 || first === undefined) return [];
  const others = members.map(({ database }) => database).filter(({ id }) => id !== first.id);
  const direction = `from ${first.name} to ${others.map(({ name }) => name).join(', ')}`;
  return onetimecopy === 1
    ? [
        `The copy goes ${direction}: rows that ${first.name} lacks are deleted there.`,
        'Changes made since the sync was added are kept.',
      ]
    : [`The copy goes ${direction}, into tables that are empty there.`];
};
