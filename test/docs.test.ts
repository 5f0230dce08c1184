/** The documents say what is there: generated pages, links, named tests, dependencies. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { generatedPages } from '../tools/generate-docs.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

const documentPaths = [
  'README.md',
  'CHANGELOG.md',
  ...(await readdir(join(root, 'docs'), { recursive: true }))
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
];

test('the pages that are made from the code are up to date', async () => {
  for (const [path, text] of Object.entries(generatedPages()))
    expect(await read(path), `${path}: run \`npm run docs\``).toBe(text);
});

/** As GitHub makes them: lower case, spaces become hyphens, other signs go. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gmu)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every link inside the documents leads somewhere', async () => {
  const broken: string[] = [];
  for (const path of documentPaths) {
    const text = await read(path);
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/gu)) {
      if (/^[a-z]+:/u.test(link)) continue;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? join(root, path) : resolve(root, dirname(path), file);
      const isThere = existsSync(target);
      const hasAnchor =
        isThere && (anchor === undefined || anchorsOf(await read(relative(root, target))).includes(anchor));
      if (!hasAnchor) broken.push(`${path}: ${link}`);
    }
  }
  expect(broken).toEqual([]);
});

test('every test that guards an invariant exists', async () => {
  const page = await read('docs/invariants.md');
  const named = [...page.matchAll(/^- `([^`]+)`: "(.+)"$/gmu)];
  expect(named.length).toBeGreaterThan(20);
  for (const [, path = '', name = ''] of named) expect(await read(path), `a test in ${path}`).toContain(name);
});

test('every file that a page names in code exists', async () => {
  const missing: string[] = [];
  for (const path of ['docs/architecture.md', 'docs/invariants.md']) {
    for (const [, file = ''] of (await read(path)).matchAll(/`([\w/.-]+\/[\w.-]+\.(?:ts|sql))`/gu))
      if (!['', 'src', 'src/connectors/postgres'].some((base) => existsSync(join(root, base, file))))
        missing.push(`${path}: ${file}`);
  }
  expect(missing).toEqual([]);
});

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

test('every dependency has its sentence', async () => {
  const page = await read('docs/dependencies.md');
  const { dependencies, devDependencies } = JSON.parse(await read('package.json')) as Manifest;
  const names = Object.keys({ ...dependencies, ...devDependencies });
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
