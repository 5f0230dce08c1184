import { expect, test } from 'vitest';
import { createDatabase, databaseOn, type TestDatabase } from '../../../test/support/databases.ts';
import { majors, startServer } from '../../../tools/embedded-postgres.ts';
import { sql } from '../../pg/sql.ts';
import { lockDefinitions } from './sequences.ts';

const names = ['s', 'Odd "name"'].map((name) => ({ schema: 'public', name }));

const expectLocked = async (database: TestDatabase): Promise<void> => {
  const [round, command] = [await database.session(), await database.session()];
  await round.script(...names.map(({ schema, name }) => sql`create sequence ${sql.id(schema, name)}`));
  await round.script(sql`begin`, lockDefinitions(names));
  await command.script(sql`set lock_timeout = 100`);
  for (const { schema, name } of names) {
    const sequence = sql.id(schema, name);
    await expect(command.script(sql`alter sequence ${sequence} increment by 2`)).rejects.toMatchObject({
      code: 'given_way',
    });
    const drawn = await command.query(sql`select nextval(${sequence.inlined()}::regclass)`);
    expect(drawn, 'nothing was drawn by the lock').toEqual([{ nextval: '1' }]);
  }
  await round.script(sql`rollback`);
  await command.script(sql`alter sequence public.s increment by 2`);
};

test('while a round sets sequences nobody alters them, and applications go on drawing', async () => {
  await expectLocked(await createDatabase('sequences'));
});

test.each(majors.filter((major) => major !== 18))('and so it is on PostgreSQL %i', async (major) => {
  await using server = await startServer({ major, settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'sequences');
  await expectLocked(database);
});
