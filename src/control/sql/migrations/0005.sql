-- breaking
-- Several daemons share the syncs. A daemon that knows nothing of leases would work on syncs that another one holds.
delete from daemon;
alter table daemon
  drop column backend_pid,
  alter column id drop default;

-- Which daemon works on a sync, and until when. A sync without a row is free. No foreign keys, for the reason given at
-- sync_state: a lease must be renewed whatever a command is about to do.
create table lease (
  sync       uuid        primary key,
  daemon     uuid        not null,
  taken_at   timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
) with (fillfactor = 50);

create trigger announce_release after delete on lease
  for each row execute function announce('lease');

-- Counted up by whoever has run a round, whether the sync is still its own or not.
alter table sync_state
  alter column inserted set default 0,
  alter column updated set default 0,
  alter column deleted set default 0,
  alter column conflicts set default 0;
