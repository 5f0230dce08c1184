-- breaking
-- What is said of a relation for one database, in one sync, or wherever it is only written. A daemon that knows nothing of it would
-- write to the wrong tables, or rows that are not to be there.

-- What the relation is called there.
create table customname (
  id          integer primary key generated always as identity,
  relation    integer not null constraint customname_relation references relation (id) on delete cascade,
  db          integer constraint customname_db references db (id) on delete cascade,
  sync        uuid    constraint customname_sync references sync (id) on delete cascade,
  schema_name text    not null,
  name        text    not null
);

create unique index customname_place on customname
  (relation, coalesce(db, 0), coalesce(sync, '00000000-0000-0000-0000-000000000000'));

create trigger announce after insert or update or delete on customname
  for each statement execute function announce('changed');

-- In which columns its rows go there: what would come after SELECT.
create table customcols (
  id       integer primary key generated always as identity,
  relation integer not null constraint customcols_relation references relation (id) on delete cascade,
  db       integer constraint customcols_db references db (id) on delete cascade,
  sync     uuid    constraint customcols_sync references sync (id) on delete cascade,
  list     text    not null
);

create unique index customcols_place on customcols
  (relation, coalesce(db, 0), coalesce(sync, '00000000-0000-0000-0000-000000000000'));

create trigger announce after insert or update or delete on customcols
  for each statement execute function announce('changed');

-- Which rows go there, and what is done with them.
create table filter (
  id         integer primary key generated always as identity,
  relation   integer not null constraint filter_relation references relation (id) on delete cascade,
  db         integer constraint filter_db references db (id) on delete cascade,
  sync       uuid    constraint filter_sync references sync (id) on delete cascade,
  condition  text,
  operations text[]  not null check (operations <@ '{insert,update,delete}' and operations <> '{}')
);

create unique index filter_place on filter
  (relation, coalesce(db, 0), coalesce(sync, '00000000-0000-0000-0000-000000000000'));

create trigger announce after insert or update or delete on filter
  for each statement execute function announce('changed');

-- Changes that wait for longer are late, and very late: `tahr status` says so.
alter table sync
  add column overdue_ms bigint constraint sync_overdue check (overdue_ms > 0),
  add column expired_ms bigint constraint sync_expired check (expired_ms > 0);

-- What is done with a table on the database to which it has been copied.
alter table sync
  add column analyze_after_copy boolean not null default true,
  add column vacuum_after_copy  boolean not null default false;
alter table sync
  alter column analyze_after_copy drop default,
  alter column vacuum_after_copy drop default;
