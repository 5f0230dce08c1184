-- breaking
-- Tables of which both sides of a conflict are kept, column by column. A daemon that knows nothing of it would let one of them lose.
alter table relation
  add column merge    boolean not null default false,
  -- Columns whose differences add up; of jsonb, merged key by key; arrays, as sets.
  add column counters text[]  not null default '{}',
  add column objects  text[]  not null default '{}',
  add column sets     text[]  not null default '{}';
