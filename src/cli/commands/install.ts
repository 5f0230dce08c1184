/** `install`: the control store in the control database, or bringing it up to date. */
import { controlSchema, installControl } from '../../control/install.ts';
import { command, ExitCode } from '../command.ts';

export const install = command({
  verb: 'install',
  form: '--control CONNINFO [--schema NAME]',
  summary: 'Make the control store in a PostgreSQL database of your choice, or bring it up to date.',
  details: [
    'The database must exist, version 13 or newer; the role needs the right to create a schema in it.',
    'Running it again changes nothing.',
  ].join('\n'),
  keys: {},
  run: async (_invocation, context) => {
    const { schema } = await context.config();
    await using session = await context.connectControl();
    const { applied } = await installControl(session, { schema });
    context.out.say(
      applied.length === 0
        ? `Schema ${controlSchema(schema)} is up to date.`
        : `Installation is now complete: schema ${controlSchema(schema)}.`,
    );
    return ExitCode.done;
  },
});
