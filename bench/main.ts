/**
 * `npm run bench [-- SCENARIO …] [--repetitions N] [--profile] [--against CONNINFO_A CONNINFO_B] [--output FILE]`: measures, and prints one line of
 * JSON for each figure and a table in the end. `bench/README.md` says how, and what came out.
 */
import { appendFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parseConninfo } from '../src/model/conninfo.ts';
import { startServer } from '../tools/embedded-postgres.ts';
import { Arena, type Place } from './arena.ts';
import { type Figure, jsonLine, tableOf } from './figure.ts';
import type { Bench, Scenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';
import { serverSettings } from './server-settings.ts';

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const usage = (): string =>
  [
    'npm run bench [-- SCENARIO …] [--repetitions N] [--profile] [--against CONNINFO_A CONNINFO_B] [--output FILE]',
    '',
    ...scenarios.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`),
  ].join('\n');

interface Arguments {
  readonly chosen: readonly Scenario[];
  readonly repetitions: number;
  readonly isProfiled: boolean;
  readonly against: readonly string[] | null;
  readonly output: string | null;
}

/** @throws Error that says what is wrong with them */
const readArguments = (): Arguments => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repetitions: { type: 'string', default: '3' },
      profile: { type: 'boolean', default: false },
      against: { type: 'boolean', default: false },
      output: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(usage());
    process.exit(0);
  }
  const repetitions = Number(values.repetitions);
  if (!Number.isInteger(repetitions) || repetitions < 1)
    throw new Error(`--repetitions takes a positive number, not "${values.repetitions}".`);
  const isServer = (word: string): boolean => word.includes('://') || word.includes('=');
  const servers = positionals.filter(isServer);
  if (servers.length !== (values.against ? 2 : 0))
    throw new Error('--against takes two connection strings, of the servers of A and B.');
  const names = positionals.filter((word) => !isServer(word));
  const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`There is no scenario "${unknown}".`);
  return {
    chosen: names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name)),
    repetitions,
    isProfiled: values.profile,
    against: values.against ? servers : null,
    output: values.output ?? null,
  };
};

const main = async ({ chosen, repetitions, isProfiled, against, output }: Arguments): Promise<void> => {
  await using stack = new AsyncDisposableStack();
  const places: Place[] =
    against === null
      ? await Promise.all([1, 2].map(async () => stack.use(await startServer({ settings: serverSettings }))))
      : against.map((text) => ({ parameters: parseConninfo(text) }));
  const [first, second] = places as [Place, Place];
  const bench: Bench = {
    repetitions,
    arena: (...names) =>
      Arena.open(
        new Map(names.map((name) => [name, name.startsWith('A') ? first : second])),
        isProfiled ? say : null,
      ),
    say,
  };
  const figures: Figure[] = [];
  for (const scenario of chosen) {
    const found = await scenario.run(bench).catch((error: unknown) => {
      say(`${scenario.name} has failed: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
      return [];
    });
    for (const figure of found) {
      figures.push(figure);
      process.stdout.write(`${jsonLine(figure)}\n`);
      if (output !== null) await appendFile(output, `${jsonLine(figure)}\n`);
    }
  }
  process.stdout.write(`\n${tableOf(figures)}\n`);
};

let wanted: Arguments;
try {
  wanted = readArguments();
} catch (error) {
  say(`${error instanceof Error ? error.message : String(error)}\n\n${usage()}`);
  process.exit(2);
}
await main(wanted);
