/** The shape of `src/`: imports go down only, rooms of equal rank do not know each other, and no file grows too long. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../src');
const longestFileLines = 400;

const ranks: Readonly<Record<string, number>> = {
  main: 8,
  cli: 7,
  daemon: 6,
  api: 5,
  replication: 4,
  setup: 4,
  control: 3,
  connectors: 3,
  hooks: 3,
  pg: 2,
  config: 2,
  runtime: 1,
  model: 0,
};

/** SQL is written here and nowhere else. */
const roomsWithSql = new Set(['pg', 'control', 'connectors']);

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
}

const roomOf = (path: string): string => relative(root, path).split(sep)[0]?.replace(/\.ts$/u, '') ?? '';

const isTest = (path: string): boolean => path.endsWith('.test.ts');

const paths = (await readdir(root, { recursive: true }))
  .filter((path) => path.endsWith('.ts'))
  .map((path) => join(root, path));
const sources: readonly Source[] = await Promise.all(
  paths.map(async (path) => ({ path, room: roomOf(path), text: await readFile(path, 'utf8') })),
);

/** Every `from '…'` and `import('…')` of a file of ours. */
const importsOf = ({ path, text }: Source): string[] =>
  [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/gu)].map(([, target = '']) =>
    resolve(dirname(path), target),
  );

const isAllowed = (from: string, to: string): boolean =>
  from === to || (ranks[from] ?? Number.NaN) > (ranks[to] ?? Number.NaN);

const product = sources.filter(({ path }) => !isTest(path));

test('every file is in a room', () => {
  expect(
    sources.filter(({ room }) => ranks[room] === undefined).map(({ path }) => relative(root, path)),
  ).toEqual([]);
});

test('imports go down, never up or sideways', () => {
  const offences = product.flatMap((source) =>
    importsOf(source)
      .filter((target) => !isAllowed(source.room, roomOf(target)))
      .map((target) => `${relative(root, source.path)} imports ${relative(root, target)}`),
  );
  expect(offences).toEqual([]);
});

test('only the rooms that know databases contain SQL', () => {
  const offences = product.filter(({ room, text }) => !roomsWithSql.has(room) && /\bsql`/u.test(text));
  expect(offences.map(({ path }) => relative(root, path))).toEqual([]);
});

test(`no file is longer than ${longestFileLines} lines`, () => {
  const offences = product.filter(({ text }) => text.split('\n').length > longestFileLines);
  expect(offences.map(({ path }) => relative(root, path))).toEqual([]);
});

test('only main and the command line end the process', () => {
  const offences = product.filter(
    ({ room, text }) => !['main', 'cli'].includes(room) && /\bprocess\.exit\(/u.test(text),
  );
  expect(offences.map(({ path }) => relative(root, path))).toEqual([]);
});
