-- breaking
-- A conflict without a winner waits for a person to decide it. Programs that expect a winner in every conflict would fail.
alter table conflict
  alter column winner drop not null,
  alter column winner_name drop not null;

create index conflict_undecided on conflict (decided_at) where winner is null;
