import { expect, test } from 'vitest';
import { createDatabase } from '../../../test/support/databases.ts';
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import { sql } from '../../pg/sql.ts';
import { deleteConflicts, readConflicts } from './conflict-outbox.ts';
import { installSchema } from './identity.ts';

const schema = 'tahr';
const sync = '11111111-1111-1111-1111-111111111111' as SyncId;

test('conflicts come oldest first, as many as the count and the bytes allow, and never none', async () => {
  const session = await (await createDatabase('conflicts')).session();
  await installSchema(session, { schema, installation: sync, database: 1 as DatabaseId });
  // The second is large; the others have some 20 bytes.
  await session.query(sql`
    insert into tahr.conflict (id, sync, tbl, kind, key, winner, strategy, versions, decided_at)
    select gen_random_uuid(), ${sync}::uuid, 1, 'update_origin_differs', n::text, 1, 'latest',
           jsonb_build_object('text', repeat('x', case n when 2 then 1000 else 1 end)), now() + n * interval '1 s'
      from generate_series(1, 4) n`);
  const keys = async (countMax: number, bytesMax: number): Promise<string[]> =>
    (await readConflicts(session, { schema, syncs: [sync], countMax, bytesMax })).map(({ key }) => key);
  expect(await keys(10, 10_000)).toEqual(['1', '2', '3', '4']);
  expect(await keys(3, 10_000)).toEqual(['1', '2', '3']);
  expect(await keys(10, 500)).toEqual(['1', '2']);
  expect(await keys(10, 5)).toEqual(['1']);
  const [first] = await readConflicts(session, { schema, syncs: [sync], countMax: 1, bytesMax: 500 });
  expect(JSON.parse(first?.versions ?? '')).toEqual({ text: 'x' });
  await deleteConflicts(session, { schema, ids: [first?.id ?? ''] });
  expect(await keys(10, 5)).toEqual(['2']);
});
