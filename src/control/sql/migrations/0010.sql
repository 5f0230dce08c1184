-- By how much the clocks of sources are ahead of the control database's, as it was measured last, and by what the times of their changes
-- are corrected.
create table db_clock (
  db           integer primary key constraint db_clock_db references db (id) on delete cascade,
  ahead_ms     double precision not null,
  error_ms     double precision not null,
  corrected_ms double precision not null,
  measured_at  timestamptz      not null default now()
);
