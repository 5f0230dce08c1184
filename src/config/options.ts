/**
 * The options of an installation, in one table. From it come the keys of `tahr.yaml`, the environment variables, the
 * flags of the command line with their help, and the reference page.
 */
import { z } from 'zod';
import { logLevels } from '../runtime/log-level.ts';
import { controlOption } from './control-option.ts';

interface ConfigOption {
  /** The key in `tahr.yaml`. */
  readonly key: string;
  readonly environment: string;
  readonly flags: string;
  readonly help: string;
  /** Said when the value is of another kind. */
  readonly expected: string;
  /** What the reference page shows as default. */
  readonly defaultText: string;
  readonly schema: z.ZodType;
}

const schemaName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 63 && !name.startsWith('pg_') && !name.includes('\0'), {
    abort: true,
  });

export const configOptions = {
  control: {
    key: 'control',
    environment: 'TAHR_CONTROL',
    flags: '--control <conninfo>',
    help: 'the control database: a connection string, or in the file also a mapping of its keywords',
    expected: 'a connection string or a mapping of connection keywords',
    defaultText: 'none',
    schema: controlOption,
  },
  schema: {
    key: 'schema',
    environment: 'TAHR_SCHEMA',
    flags: '--schema <name>',
    help: 'the schema of the installation, on the control database and on all others',
    expected: 'a name of 1 to 63 bytes that does not begin with pg_',
    defaultText: '`tahr`',
    schema: schemaName,
  },
  logLevel: {
    key: 'log_level',
    environment: 'TAHR_LOG_LEVEL',
    flags: '--log-level <level>',
    help: `how much is logged: ${logLevels.join(', ')}`,
    expected: `one of ${logLevels.join(', ')}`,
    defaultText: '`info`',
    schema: z.enum(logLevels),
  },
  logDestination: {
    key: 'log_destination',
    environment: 'TAHR_LOG_DESTINATION',
    flags: '--log-destination <where>',
    help: 'where the daemon logs: stderr, stdout, or the path of a file',
    expected: 'stderr, stdout or the path of a file',
    defaultText: '`stderr`; in the background, a file in the state directory',
    schema: z.string().min(1),
  },
  stateDirectory: {
    key: 'state_directory',
    environment: 'TAHR_STATE_DIRECTORY',
    flags: '--state-directory <path>',
    help: 'where a daemon in the background keeps its log',
    expected: 'the path of a directory',
    defaultText: '`$XDG_STATE_HOME/tahr`, else `~/.local/state/tahr`',
    schema: z.string().min(1),
  },
} as const satisfies Record<string, ConfigOption>;

export type OptionName = keyof typeof configOptions;
export type OptionValues = { [Name in OptionName]?: z.output<(typeof configOptions)[Name]['schema']> };

export const optionNames = Object.keys(configOptions) as OptionName[];
