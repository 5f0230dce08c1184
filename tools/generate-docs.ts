/**
 * The pages of `docs/` that are made from the code: `npm run docs` writes them, and `test/docs.test.ts` fails when one
 * of them is not what this makes.
 */
import { writeFile } from 'node:fs/promises';
import { renderConfigReference } from '../src/config/reference.ts';
import { errorCatalogue, type Retry } from '../src/model/errors.ts';

const actors: Readonly<Record<Retry, string>> = {
  backoff: 'Tahr tries again by itself, at growing intervals.',
  manual: 'A person has to remove the cause.',
  never: 'The command that failed changed nothing; the same words will fail again.',
};

const errorIntroduction = `# Errors

Every failure that Tahr names has a code, which is in the output of \`--json\`, in the log and in \`tahr status\`. Codes
keep their meaning; texts may change.`;

const renderErrors = (): string => {
  const sections = Object.entries(errorCatalogue).map(([code, { retry, meaning, action }]) =>
    [`## ${code}`, meaning, `**What to do:** ${action}`, `**Who acts:** ${actors[retry]}`].join('\n\n'),
  );
  return `${[errorIntroduction, ...sections].join('\n\n')}\n`;
};

/** Path, from the root of the checkout, to contents. */
export const generatedPages = (): Readonly<Record<string, string>> => ({
  'docs/errors.md': notice(renderErrors()),
  'docs/configuration.md': notice(renderConfigReference()),
});

const notice = (page: string): string => `<!-- Made by \`npm run docs\`. Do not edit. -->\n\n${page}`;

if (import.meta.main) {
  for (const [path, text] of Object.entries(generatedPages()))
    await writeFile(new URL(`../${path}`, import.meta.url), text);
}
