import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { majors, startServer } from '../../tools/embedded-postgres.ts';
import { createDatabase, databaseOn } from './databases.ts';

test.each(majors)('PostgreSQL %i starts and answers', async (major) => {
  await using server = await startServer({ major, settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'smoke');
  const session = await database.session();
  expect(Math.floor(session.serverVersion / 10_000)).toBe(major);
});

test('a server that was killed starts again with what was committed', async () => {
  await using server = await startServer();
  await using database = await databaseOn(server, 'crash');
  const before = await database.session();
  await before.script(sql`create table public.t (a int)`, sql`insert into public.t values (1)`);
  await server.kill();
  await server.start();
  const after = await database.session();
  expect(await after.query(sql`select a from public.t`)).toEqual([{ a: '1' }]);
});

test('two servers have two system identifiers', async () => {
  await using first = await startServer();
  await using second = await startServer();
  const identifiers = await Promise.all(
    [first, second].map(async (server) => {
      await using database = await databaseOn(server, 'identity');
      const session = await database.session();
      return await session.query(sql`select system_identifier from pg_control_system()`);
    }),
  );
  expect(identifiers[0]).not.toEqual(identifiers[1]);
});

test('a dropped database is gone, also when it has sessions', async () => {
  const lasting = await createDatabase('lasting');
  const session = await lasting.session();
  const fleeting = await createDatabase('fleeting');
  await fleeting.session();
  await fleeting.drop();
  expect(await session.query(sql`select 1 from pg_database where datname = ${fleeting.name}`)).toEqual([]);
});

test('a server ends with the process that started it, also when that is killed', async () => {
  const tool = resolve(import.meta.dirname, '../../tools/embedded-postgres.ts');
  const script = `const { startServer } = await import(${JSON.stringify(tool)});
    const { dataDirectory, socketDirectory } = await startServer();
    console.log(JSON.stringify({ dataDirectory, socketDirectory }));
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const { dataDirectory, socketDirectory } = JSON.parse(String(line)) as Record<
    'dataDirectory' | 'socketDirectory',
    string
  >;
  onTestFinished(() =>
    Promise.all([dirname(dataDirectory), socketDirectory].map((path) => rm(path, { recursive: true }))).then(
      () => undefined,
    ),
  );
  const [pid] = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n');
  expect(isRunning(Number(pid))).toBe(true);
  owner.kill('SIGKILL');
  while (isRunning(Number(pid))) await sleep(20);
});

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
