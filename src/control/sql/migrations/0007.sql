-- breaking
-- Databases whose tables are replaced whole. A daemon that knows nothing of it would leave them as they are, and watch sources on which
-- nothing is captured.

-- How a table is emptied before it is filled, and when that is done: a cron expression.
alter table sync
  add column delete_method text not null default 'delete'
    constraint sync_delete_method check (delete_method in ('delete', 'truncate', 'truncate_cascade')),
  add column cron text,
  add column cron_since timestamptz,
  add constraint sync_cron check ((cron is null) = (cron_since is null));
alter table sync
  alter column delete_method drop default;
