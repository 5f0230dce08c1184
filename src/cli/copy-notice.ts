/** What a copy that was asked for will do, said before anybody is surprised by it. Pure. */
import { type Member, sources, type SyncDefinition } from '../model/topology.ts';

/** For the help of `add sync` and `update sync`. */
export const copyHelp = [
  'onetimecopy=1 copies from the first source to all others: rows that the first source lacks are deleted there.',
  'Changes made since the sync was added are kept, but for those of a source whose position was lost.',
].join('\n');

/** Sentences about databases that are replaced whole, and when that is. */
export const fullCopyNotice = (sync: SyncDefinition, members: readonly Member[]): string[] => {
  const first = sources(sync)[0]?.database;
  const copied = members.filter(isReplaced);
  if (copied.length === 0 || first === undefined) return [];
  const names = copied.map(({ database }) => database.name).join(', ');
  const isTimed = sync.checktimeMs !== null || sync.cron !== null;
  const hint = isTimed ? '' : '; `tahr help update sync` tells of checktime= and cron=';
  return [
    `${names}: replaced whole, from ${first.name}, ${isTimed ? 'at the times that were given and ' : ''}with \`tahr kick ${sync.name}\`${hint}.`,
  ];
};

const isReplaced = ({ role }: Member): boolean => role === 'fullcopy';

/** Sentences about the copy of this sync; none when none was asked for. */
export const copyNotice = (sync: SyncDefinition): string[] => {
  const first = sources(sync)[0]?.database;
  if (sync.onetimecopy === 0 || first === undefined) return [];
  const others = sync.members.map(({ database }) => database).filter(({ id }) => id !== first.id);
  const direction = `from ${first.name} to ${others.map(({ name }) => name).join(', ')}`;
  if (sync.onetimecopy === 2) return [`The copy goes ${direction}, into tables that are empty there.`];
  return [
    `The copy goes ${direction}: rows that ${first.name} lacks are deleted there.`,
    'Changes made since the sync was added are kept, but for those of a source whose position was lost.',
  ];
};
