/** What is said before any work is done: help, and command lines and configurations that cannot be used. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Run, runTahr } from './tahr.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tahr-usage-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const tahr = (...args: readonly string[]): Promise<Run> =>
  runTahr(args, { environment: { PATH: process.env['PATH'], HOME: directory }, cwd: directory });

test('--help and help explain everything, a verb, or one command', async () => {
  const all = await tahr('--help');
  expect(all).toMatchObject({ code: 0, stderr: '' });
  expect(all.stdout).toContain('Usage: tahr [options] VERB [NOUN] [NAME…] [key=value…]');
  expect((await tahr('add', '--help')).stdout).toContain('tahr add sync NAME');
  const one = await tahr('help', 'add', 'sync');
  expect(one.stdout).toContain('conflict_strategy=');
  expect(one.stdout).toContain('rows that the first source lacks are deleted there');
  expect((await tahr('add', 'sync', '--help')).stdout).toBe(one.stdout);
});

test('--version is printed', async () => {
  expect((await tahr('--version')).stdout).toMatch(/^tahr version \d+\.\d+\.\d+\n$/);
});

test('no words at all are a mistake', async () => {
  const run = await tahr();
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain('Usage: tahr');
});

test.each([
  [['remvoe', 'db', 'A'], 'Unknown command "remvoe". Did you mean "remove"?'],
  [
    ['add'],
    '`tahr add` needs to be told what: db, dbgroup, table, sequence, all, relgroup, customname, customcols, filter, sync.',
  ],
  [['add', 'tabel_x', 'a', '--jsno'], "Unknown option '--jsno' (Did you mean --json?)"],
  [['add', 'db', 'A', '--notimer'], '`tahr add db` has no option --notimer.'],
  [['list', 'frogs'], '`tahr list` does not know "frogs".'],
  [['add', 'all', 'frogs'], 'It is not said what to add all of.'],
  [['kick', 'a=b'], '`tahr kick` takes no settings, but got a=.'],
  [['--control'], 'argument missing'],
])('%j is refused as usage', async (words, sentence) => {
  const run = await tahr(...words);
  expect(run).toMatchObject({ code: 2, stdout: '' });
  expect(run.stderr).toContain(sentence);
});

test('without a control database the ways to name one are told', async () => {
  const run = await tahr('list', 'dbs');
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).toBe(
    'No control database is named.\n  Give --control CONNINFO, set TAHR_CONTROL, or write control: into tahr.yaml.\n',
  );
});

test('a control database that is away is named, without the password', async () => {
  const run = await tahr('status', '--control', 'postgresql://u:secret@127.0.0.1:1/nowhere');
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).toContain('the control database cannot be reached');
  expect(run.stderr).not.toContain('secret');
});

test.each([
  ['status', 'TAHR_CONTROL.\n'],
  ['start', 'TAHR_CONTROL. `tahr run` waits for it.\n'],
])('%s tells what to do when the control database is away', async (verb, end) => {
  const run = await tahr(verb, '--control', 'host=127.0.0.1 port=1 dbname=nowhere user=u');
  expect(run.code).toBe(1);
  expect(run.stderr).toContain('\n  Start that server, or name another control database with --control or ');
  expect(run.stderr.endsWith(end)).toBe(true);
});

test('a mistake in tahr.yaml is shown with its line and column', async () => {
  const path = join(directory, 'broken.yaml');
  await writeFile(path, 'control: dbname=x\nlog_levle: info\n');
  const run = await tahr('status', '--config', path);
  expect(run.code).toBe(1);
  expect(run.stderr).toContain(`${path}:2:1`);
  expect(run.stderr).toContain('Did you mean "log_level"?\n  Correct what the message names');
});
