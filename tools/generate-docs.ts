/**
 * The pages of `docs/` that are made from the code: `npm run docs` writes them, and `test/docs.test.ts` fails when one
 * of them is not what this makes.
 */
import { writeFile } from 'node:fs/promises';
import { commandName } from '../src/cli/command.ts';
import { allCommands } from '../src/cli/commands/index.ts';
import { optionHelp } from '../src/cli/options.ts';
import { renderConfigReference } from '../src/config/reference.ts';
import { errorCatalogue, type Retry } from '../src/model/errors.ts';
import { commandExamples } from './command-examples.ts';

/** Path, from the root of the checkout, to contents. */
export const generatedPages = (): Readonly<Record<string, string>> => ({
  'docs/commands.md': page(renderCommands()),
  'docs/configuration.md': page(renderConfigReference().trimEnd()),
  'docs/errors.md': page(renderErrors()),
  'docs/settings.md': page(renderSettings()),
});

const page = (text: string): string => `<!-- Made by \`npm run docs\`. Do not edit. -->\n\n${text}\n`;

const actors: Readonly<Record<Retry, string>> = {
  backoff: 'Tahr tries again by itself, at growing intervals.',
  manual: 'A person has to remove the cause. Tahr looks for that itself.',
  never: 'The command that failed changed nothing; the same words will fail again.',
};

const errorIntroduction = `# Errors

Every failure that Tahr names has a code. It is in the log and in the output of \`--json\`. Codes keep their meaning; texts may
change.`;

const renderErrors = (): string => {
  const sections = Object.entries(errorCatalogue).map(([code, { retry, meaning, action }]) =>
    [`## ${code}`, meaning, `**What to do:** ${action}`, `**Who acts:** ${actors[retry]}`].join('\n\n'),
  );
  return [errorIntroduction, ...sections].join('\n\n');
};

const commandIntroduction = `# Commands

\`tahr [options] VERB [NOUN] [NAME…] [key=value…]\`, the options anywhere. \`tahr help VERB NOUN\` lists what can be said to a
command; this page has one line for each.

- Nouns are understood in the plural and in short forms, and \`*\` in a name stands for any characters.
- A command changes everything that it says, or nothing. What a sync no longer needs is cleaned from the databases afterwards
  (\`remove sync\` above all); a database that is away then is named, with the SQL to run there later.
- A running daemon takes changes up by itself.
- Exit codes: 0 done, 1 failed, 2 not understood, 3 something is unhealthy (\`status\`).
- Errors are written to stderr: what, why, and what to do.`;

const commands = await allCommands();

const renderCommands = (): string => {
  const lines = commands.map((command) => {
    const name = commandName(command);
    const example = commandExamples[name];
    if (example === undefined) throw new Error(`tools/command-examples.ts has no example for "${name}"`);
    return [`\`${name}\``, command.summary, `\`${example}\``];
  });
  return [
    commandIntroduction,
    table(['Command', 'What it does', 'Example'], lines),
    '## Options of every command',
    table(
      ['Option', 'Meaning'],
      optionHelp('common').map(([flags, help]) => [`\`${flags}\``, help]),
    ),
  ].join('\n\n');
};

const settingsIntroduction = `# Settings

What \`key=value\` says to commands. \`update\` takes the same as \`add\`. Values with blanks go into quotes; a setting that is not given stays as it is, and
with \`add\` is what is called the default. How Tahr itself is configured is in [configuration.md](configuration.md).`;

/** Of the commands that make something: others take the same, or nothing. */
const renderSettings = (): string => {
  const sections = commands
    .filter(({ verb, keys }) => verb === 'add' && Object.keys(keys).length > 0)
    .map((command) => {
      const lines = Object.entries(command.keys).map(([name, { help, aliases = [] }]) => [
        [name, ...aliases].map((word) => `\`${word}\``).join(', '),
        help,
      ]);
      return [`## ${commandName(command)}`, table(['Setting', 'Meaning'], lines)].join('\n\n');
    });
  return [settingsIntroduction, ...sections].join('\n\n');
};

const table = (titles: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), `|${titles.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
};

if (import.meta.main) {
  for (const [path, text] of Object.entries(generatedPages()))
    await writeFile(new URL(`../${path}`, import.meta.url), text);
}
