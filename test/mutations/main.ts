/**
 * `npm run mutate [-- WORDS]`: takes out one guarding line after the other, in a copy of the project, and runs the test that has to
 * notice. A test that stays green guards nothing: then the exit code is 1. With words only the guards whose file, text or test has them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Guard } from './guards/guard.ts';
import { guards } from './guards/index.ts';
import { withoutGuard } from './without-guard.ts';

const root = resolve(import.meta.dirname, '../..');
const copied = [
  'src',
  'test',
  'tools',
  'bin',
  'docs',
  'demo',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

type Verdict = 'noticed' | 'SURVIVED' | 'NOT RUN';

const main = async (words: readonly string[]): Promise<void> => {
  const wanted = guards.filter((guard) => words.every((word) => JSON.stringify(guard).includes(word)));
  const copy = await copyProject();
  try {
    const verdicts: Verdict[] = [];
    for (const guard of wanted) {
      const verdict = await tryWithout(guard, copy);
      verdicts.push(verdict);
      console.log(
        `${verdict.padEnd(9)} ${guard.invariant}. ${guard.what} (${guard.file})\n          ${guard.test}: ${guard.name}`,
      );
    }
    const noticed = verdicts.filter((verdict) => verdict === 'noticed').length;
    console.log(`${noticed} of ${wanted.length} guards are noticed when they are gone`);
    if (noticed < wanted.length) process.exitCode = 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
};

const copyProject = async (): Promise<string> => {
  const copy = await mkdtemp(join(tmpdir(), 'tahr-mutations-'));
  for (const path of copied) await cp(join(root, path), join(copy, path), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
};

const tryWithout = async (guard: Guard, copy: string): Promise<Verdict> => {
  const path = join(copy, guard.file);
  const text = await readFile(path, 'utf8');
  await writeFile(path, withoutGuard(text, guard));
  try {
    return await runTest(guard, copy);
  } finally {
    await writeFile(path, text);
  }
};

interface TestReport {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string }[] }[];
}

/** Only this test; it counts as noticed when the test itself has failed. */
const runTest = async ({ test, name }: Guard, copy: string): Promise<Verdict> => {
  const report = join(copy, 'report.json');
  const program = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=json', `--outputFile=${report}`];
  const child = spawn(process.execPath, [program, 'run', test, '-t', asPattern(name), ...reporters], {
    cwd: copy,
    stdio: 'ignore',
  });
  await once(child, 'exit');
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as TestReport;
  const statuses = new Set(
    testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status)),
  );
  await rm(report);
  if (statuses.has('failed')) return 'noticed';
  return statuses.has('passed') ? 'SURVIVED' : 'NOT RUN';
};

/** A name with `%s`, `%i` or `${…}` stands for all of its cases. */
const asPattern = (name: string): string =>
  name
    .split(/%[si]|\$\{[^}]*\}/u)
    .map((part) => part.replaceAll(/[.*+?^$()|[\]{}\\]/gu, String.raw`\$&`))
    .join('.*');

await main(process.argv.slice(2));
