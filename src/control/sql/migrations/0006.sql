-- breaking
-- What a relation is called on other databases: on one of them, in one sync, or wherever it is only written. A daemon that knows nothing
-- of it would write to the wrong tables.
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
