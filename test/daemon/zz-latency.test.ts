import { test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation } from './installation.ts';
import { Session } from '../../src/pg/session.ts';
const stats = new Map<string, [number, number]>();
for (const name of ['script', 'query', 'counts'] as const) {
  const proto = Session.prototype as any;
  const original = proto[name];
  proto[name] = async function (...args: any[]) {
    const t = performance.now();
    try { return await original.apply(this, args); } finally {
      const text = this.label + ' ' + name + ' ' + args.map((x: any) => x.inlined().replace(/\d+/g, 'N').replace(/\s+/g, ' ').trim().slice(0, 50)).join(' ; ').slice(0, 130);
      const s = stats.get(text) ?? [0, 0]; s[0] += 1; s[1] += performance.now() - t; stats.set(text, s);
    }
  };
}

test('latency', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: `create table items (id int primary key, at timestamptz default clock_timestamp());
`,
    tables: ['items'],
  });
  const b = await shop.database('B').session();
  const daemon = shop.startDaemon();
  await shop.run('A', `insert into items values (0)`);
  await shop.equal();
  const a = await shop.database('A').session();
  const seen: number[] = [];
  const sent = new Map<number, number>();
  let stop = false;
  let known = 0;
  const poll = (async () => {
    while (!stop) {
      const rows = await b.query(sql`select id from public.items where id > ${known}::int order by id`);
      const now = performance.now();
      for (const r of rows) { const id = Number(r['id']); known = Math.max(known,id); const s = sent.get(id); if (s!==undefined) seen.push(now - s); }
      await new Promise((r) => setTimeout(r, 1));
    }
  })();
  const start = performance.now();
  for (let i = 1; i <= 1200; i += 1) {
    const due = start + i * 5;
    const w = due - performance.now();
    if (w > 0) await new Promise((r) => setTimeout(r, w));
    await a.query(sql`insert into public.items (id) values (${i}::int)`);
    sent.set(i, performance.now());
  }
  await new Promise((r) => setTimeout(r, 500));
  stop = true; await poll;
  seen.sort((x, y) => x - y);
  const q = (p: number) => seen[Math.floor(seen.length * p)]?.toFixed(1);
  const rounds = daemon.log().split('\n').filter((l) => l.includes('round done')).map((l) => JSON.parse(l).ms as number);
  console.log([...stats].filter(([, [n]]) => n > 60).sort((x, y) => y[1][1] - x[1][1]).map(([k, [n, ms]]) => `${n}x ${(ms / n).toFixed(2)} ms ${k}`).join('\n'));
  console.log('LAT', seen.length, 'p50', q(0.5), 'p95', q(0.95), 'p99', q(0.99), 'rounds', rounds.length, 'avg ms', (rounds.reduce((x, y) => x + y, 0) / rounds.length).toFixed(1), 'took', ((performance.now()-start)/1000).toFixed(2));
}, 60_000);
