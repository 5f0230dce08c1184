/** The list of guards is true: the lines are there, the tests are there and say what they fail of, and the page names both. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { guards } from './guards/index.ts';
import { withoutGuard } from './without-guard.ts';

const read = (path: string): Promise<string> => readFile(resolve(import.meta.dirname, '../..', path), 'utf8');

test.each(guards)('$what: the line is there, once', async (guard) => {
  const text = await read(guard.file);
  expect(withoutGuard(text, guard)).not.toBe(text);
});

test.each(guards)(
  '$name: the test is there, and says what it fails of',
  async ({ test: path, name, what }) => {
    const text = await read(path);
    expect(text).toContain(name);
    expect(text.replaceAll(/\s*\n\s*(?:\/\/|\*) /gu, ' ')).toContain(`Fails when ${what}`);
  },
);

test('every test that the page of invariants names has a guard, and the other way round', async () => {
  const page = await read('docs/invariants.md');
  const named = [...page.matchAll(/^- `([^`]+)`: "(.+)"$/gmu)].map(([, path, name]) => `${path}: ${name}`);
  const guarded = guards.map(({ test: path, name }) => `${path}: ${name}`);
  expect([...new Set(named)].toSorted()).toEqual([...new Set(guarded)].toSorted());
});
