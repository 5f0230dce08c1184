-- breaking
-- Copies that were asked for and that some database may not have yet: of a whole sync (onetimecopy), to a database that has joined it, of a
-- table that has. A daemon that knows nothing of it would take them for made.

create table copy_request (
  sync       uuid    not null constraint copy_request_sync references sync (id) on delete cascade,
  generation integer not null,
  -- Null: to all databases, of all relations.
  db         integer constraint copy_request_db references db (id) on delete cascade,
  relation   integer constraint copy_request_relation references relation (id) on delete cascade,
  -- replace: what the first source has takes the place of what is there; fill: only where the table is empty.
  mode       text    not null constraint copy_request_mode check (mode in ('replace', 'fill'))
);

create index copy_request_sync on copy_request (sync);

insert into copy_request (sync, generation, mode)
select id, copy_generation, case onetimecopy when 1 then 'replace' else 'fill' end
  from sync
 where onetimecopy <> 0;

create trigger announce after insert or update or delete on copy_request
  for each statement execute function announce('changed');
