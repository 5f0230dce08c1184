/** `--help`, made from the descriptions of the commands. Pure. */
import { type Command, commandName } from './command.ts';
import type { Noun } from './grammar/nouns.ts';
import type { Verb } from './grammar/verbs.ts';
import { optionHelp } from './options.ts';

/** All commands in one page. */
export const overview = (commands: readonly Command[]): string =>
  [
    'tahr keeps PostgreSQL databases in step with each other, in every direction.',
    '',
    'Usage: tahr [options] VERB [NOUN] [NAME…] [key=value…]',
    '',
    'Commands:',
    ...columns(commands.map((command) => [commandName(command), command.summary])),
    '',
    'Options, anywhere on the line:',
    ...columns(optionHelp('common')),
    '',
    'Exit codes: 0 done, 1 failed, 2 not understood, 3 something is unhealthy (status).',
    'More: tahr help VERB [NOUN], for example `tahr help add sync`.',
  ].join('\n');

/** All commands of a verb, or one with all that can be said to it. */
export const explain = (commands: readonly Command[], verb: Verb, noun: Noun | null): string => {
  const chosen = commands.filter(
    (command) => command.verb === verb && (noun === null || command.noun === noun),
  );
  const [only] = chosen;
  if (only === undefined) return overview(commands);
  if (chosen.length === 1) return explainOne(only);
  return [
    `Usage: tahr ${verb} NOUN [NAME…] [key=value…]`,
    '',
    ...chosen.flatMap((command) => [`  ${usageLine(command)}`, `      ${command.summary}`]),
    '',
    `More: tahr help ${verb} NOUN`,
  ].join('\n');
};

const usageLine = (command: Command): string => `tahr ${commandName(command)} ${command.form}`.trimEnd();

const explainOne = (command: Command): string => {
  const keys = Object.entries(command.keys).map(([name, { help }]): [string, string] => [`${name}=`, help]);
  const options = optionHelp(command.options ?? []);
  return [
    `Usage: ${usageLine(command)}`,
    '',
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    ...(keys.length === 0 ? [] : ['', 'Settings:', ...columns(keys)]),
    ...(options.length === 0 ? [] : ['', 'Options:', ...columns(options)]),
    '',
    'Options of every command:',
    ...columns(optionHelp('common')),
  ].join('\n');
};

const columns = (rows: readonly (readonly [string, string])[]): string[] => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
};
