/** `add|list|update|remove dbgroup`. */
import { type DbGroup, findDbGroup, getDbGroup, listDbGroups, removeDbGroup } from '../../control/dbgroup.ts';
import { change, look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { joinDbGroup, type NewMember, setMembers } from '../dbgroup-members.ts';
import { usageError } from '../grammar/usage.ts';
import { name as readName, namedRole } from '../grammar/values.ts';
import { splitList } from '../grammar/words.ts';
import { filter, select } from '../selection.ts';
import { reinstallSyncs } from '../sync-install.ts';

const roleHelp = [
  'A role is source, target (the default) or fullcopy.',
  'DB:ROLE:pri=1 puts a database before those with a lower number (0 is the default), wherever it is named.',
].join('\n');

const memberText = ({ database, role, priority }: DbGroup['members'][number]): string =>
  `${database}:${role}${priority === 0 ? '' : `:pri=${priority}`}`;

export const addDbgroup = command({
  verb: 'add',
  noun: 'dbgroup',
  form: 'NAME [DB[:ROLE]…]',
  summary: 'Make a dbgroup, or add databases to one.',
  details: roleHelp,
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say, aftermath) => {
      const [group, ...members] = groupAndMembers(names);
      if (members.length === 0 && (await findDbGroup(db, group)) !== null) {
        throw usageError(
          `The dbgroup "${group}" exists, and no database is named to add.`,
          `Write \`tahr add dbgroup ${group} DB:ROLE\`.`,
        );
      }
      await reinstallSyncs(db, {
        context,
        say,
        aftermath,
        uses: (sync) => sync.dbgroup === group,
        alter: () => joinDbGroup(db, { group, members, say }),
      });
    }),
});

const groupAndMembers = (names: readonly string[]): [string, ...NewMember[]] => {
  const [group, ...words] = names;
  if (group === undefined)
    throw usageError('No name is given for the dbgroup.', 'Write `tahr add dbgroup NAME DB:ROLE…`.');
  const members = words.flatMap(splitList).map(namedRole);
  return [
    readName(group, 'dbgroup'),
    ...members.map(({ role, ...member }) => ({ ...member, role: role ?? ('target' as const) })),
  ];
};

export const listDbgroups = command({
  verb: 'list',
  noun: 'dbgroup',
  form: '[NAME…]',
  summary: 'List the dbgroups with their members.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const { out, options } = context;
    const existing = await look(context, listDbGroups);
    const chosen = filter({ words: names, existing, nameOf: ({ name }) => name });
    if (options.json === true) out.json(chosen);
    else if (chosen.length === 0)
      out.print(existing.length === 0 ? 'No dbgroups have been added yet' : 'No matching dbgroups found');
    else
      for (const { name, members } of chosen)
        out.print(`dbgroup: ${name}  Members: ${members.map(memberText).join(' ')}`);
    return ExitCode.done;
  },
});

export const updateDbgroup = command({
  verb: 'update',
  noun: 'dbgroup',
  form: 'NAME DB[:ROLE]…',
  summary: 'Make these databases, in this order, the only members.',
  details: roleHelp,
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say, aftermath) => {
      const [group, ...members] = groupAndMembers(names);
      await getDbGroup(db, group);
      if (members.length === 0)
        throw usageError(
          `No member is named for the dbgroup "${group}".`,
          'The list replaces all members: name them all.',
        );
      await reinstallSyncs(db, {
        context,
        say,
        aftermath,
        uses: (sync) => sync.dbgroup === group,
        alter: () => setMembers(db, { group, members, say }),
      });
    }),
});

export const removeDbgroup = command({
  verb: 'remove',
  noun: 'dbgroup',
  form: 'NAME…',
  summary: 'Remove dbgroups that no sync uses.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say) => {
      const existing = await listDbGroups(db);
      for (const { name } of select({
        kind: 'dbgroup',
        listing: 'dbgroups',
        words: names,
        existing,
        nameOf: ({ name }) => name,
      })) {
        await removeDbGroup(db, name);
        say(`Removed dbgroup "${name}"`);
      }
    }),
});
