/** The verbs, with the aliases and the typing errors that have always been accepted. Pure. */
import { didYouMean } from '../../model/nearest.ts';
import { usageError } from './usage.ts';

const verbs = [
  'install',
  'uninstall',
  'add',
  'list',
  'update',
  'remove',
  'validate',
  'activate',
  'deactivate',
  'start',
  'run',
  'stop',
  'restart',
  'status',
  'inspect',
  'kick',
  'pause',
  'resume',
  'conflicts',
  'decide',
  'help',
] as const;
export type Verb = (typeof verbs)[number];

const aliases: Readonly<Record<string, Verb>> = {
  l: 'list',
  ls: 'list',
  lsit: 'list',
  liast: 'list',
  lisy: 'list',
  lit: 'list',
  strt: 'start',
  upd: 'update',
  udpate: 'update',
  delete: 'remove',
  del: 'remove',
  inactivate: 'deactivate',
  conflict: 'conflicts',
};

const patterns: readonly (readonly [RegExp, Verb])[] = [
  [/^vali/, 'validate'],
  [/^instal/, 'install'],
  [/^uninstal/, 'uninstall'],
];

const isVerb = (word: string): word is Verb => (verbs as readonly string[]).includes(word);

const findVerb = (word: string): Verb | undefined =>
  isVerb(word) ? word : (aliases[word] ?? patterns.find(([pattern]) => pattern.test(word))?.[1]);

/** The verb, and the nouns that were joined to it: `add_sync` is `add`, `sync`. */
export const readVerb = (word: string): { verb: Verb; joined: readonly string[] } => {
  const lower = word.toLowerCase();
  const verb = findVerb(lower);
  if (verb !== undefined) return { verb, joined: [] };
  const [first = '', ...joined] = lower.split('_');
  const joinedVerb = findVerb(first);
  if (joinedVerb !== undefined && joined.length > 0) return { verb: joinedVerb, joined };
  throw usageError(
    `Unknown command "${word}".${didYouMean(lower, [...verbs, ...Object.keys(aliases)])}`,
    '`tahr --help` lists the commands.',
  );
};
