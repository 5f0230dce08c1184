import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const launcher = resolve(import.meta.dirname, '../bin/tahr.js');

/** A checkout with the launcher, a `src/main.ts` that says which Node runs it, and what the test adds. */
const checkout = async (): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'tahr-launcher-'));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const directory of ['bin', 'src', 'dist', 'node_modules/.bin'])
    await mkdir(join(root, directory), { recursive: true });
  await writeFile(join(root, 'package.json'), '{"type": "module"}');
  await writeFile(
    join(root, 'src/main.ts'),
    "const from: string = 'source'; console.log(from, ...process.argv.slice(2));",
  );
  await copyFile(launcher, join(root, 'bin/tahr.js'));
  return root;
};

/** Runs the launcher as an old Node would: only the version is another one. */
const runOld = (root: string, ...words: string[]) => {
  const pretence =
    "Object.defineProperty(process.versions, 'node', {value: '20.1.0'}); Object.defineProperty(process, 'version', {value: 'v20.1.0'});";
  const old = ['--import', `data:text/javascript,${encodeURIComponent(pretence)}`];
  return spawnSync(process.execPath, [...old, join(root, 'bin/tahr.js'), ...words], { encoding: 'utf8' });
};

const run = (root: string, ...words: string[]) =>
  spawnSync(process.execPath, [join(root, 'bin/tahr.js'), ...words], { encoding: 'utf8' });

test('the source is run where nothing is built, else what is built', async () => {
  const root = await checkout();
  expect(run(root, 'list', 'dbs').stdout).toBe('source list dbs\n');
  await writeFile(join(root, 'dist/main.js'), "console.log('built', ...process.argv.slice(2));");
  expect(run(root, 'list', 'dbs').stdout).toBe('built list dbs\n');
});

test('an old Node hands over to the one of the checkout', async () => {
  const root = await checkout();
  await symlink(process.execPath, join(root, 'node_modules/.bin/node'));
  const { stdout, status } = runOld(root, 'status');
  expect(stdout).toBe('source status\n');
  expect(status).toBe(0);
});

test('an old Node that is alone says what is missing', async () => {
  const { stderr, status } = runOld(await checkout(), 'status');
  expect(stderr).toContain('Tahr needs Node.js 24 or newer, and this is v20.1.0.');
  expect(status).toBe(1);
});
