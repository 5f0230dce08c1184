-- breaking
-- The control store. The search path is the control schema, so that every name below is made there.

-- The migrations that have been applied.
create table migration (
  number      integer     primary key,
  is_breaking boolean     not null,
  applied_at  timestamptz not null default now()
);

-- One row. `schema_name` is the schema of the replication objects on every database that takes part.
create table installation (
  only_one    boolean     primary key default true check (only_one),
  id          uuid        not null default gen_random_uuid(),
  schema_name text        not null,
  created_at  timestamptz not null default now()
);

-- What exists and what is wanted ------------------------------------------------------------------------------------

create table db (
  id         integer generated always as identity primary key,
  name       text    not null,
  status     text    not null constraint db_status check (status in ('active', 'inactive')),
  parameters jsonb   not null,
  makedelta  boolean not null,
  constraint db_name_key unique (name),
  constraint db_name_form check (name ~ '^[A-Za-z][A-Za-z0-9_]*$')
);

create table dbgroup (
  id   integer generated always as identity primary key,
  name text    not null,
  constraint dbgroup_name_key unique (name),
  constraint dbgroup_name_form check (name ~ '^[A-Za-z][A-Za-z0-9_]*$')
);

create table dbgroup_member (
  dbgroup  integer not null constraint dbgroup_member_dbgroup references dbgroup (id) on delete cascade,
  db       integer not null constraint dbgroup_member_db references db (id),
  role     text    not null constraint dbgroup_member_role check (role in ('source', 'target', 'fullcopy')),
  position integer not null,
  constraint dbgroup_member_pkey primary key (dbgroup, db)
);

create table relation (
  id                integer generated always as identity primary key,
  kind              text    not null constraint relation_kind check (kind in ('table', 'sequence')),
  schema_name       text    not null,
  name              text    not null,
  found_in          integer constraint relation_found_in references db (id) on delete set null,
  key_index         text,
  conflict_strategy text,
  makedelta         boolean,
  constraint relation_name_key unique (schema_name, name)
);

create table relgroup (
  id   integer generated always as identity primary key,
  name text    not null,
  constraint relgroup_name_key unique (name),
  constraint relgroup_name_form check (name ~ '\S')
);

create table relgroup_member (
  relgroup integer not null constraint relgroup_member_relgroup references relgroup (id) on delete cascade,
  relation integer not null constraint relgroup_member_relation references relation (id),
  position integer not null,
  constraint relgroup_member_pkey primary key (relgroup, relation)
);

create table sync (
  id                uuid     primary key default gen_random_uuid(),
  name              text     not null,
  relgroup          integer  not null constraint sync_relgroup references relgroup (id),
  dbgroup           integer  not null constraint sync_dbgroup references dbgroup (id),
  status            text     not null constraint sync_status check (status in ('active', 'inactive')),
  is_paused         boolean  not null default false,
  conflict_strategy text     not null,
  autokick          boolean  not null,
  checktime_ms      bigint   constraint sync_checktime check (checktime_ms > 0),
  onetimecopy       smallint not null constraint sync_onetimecopy check (onetimecopy in (0, 1, 2)),
  copy_generation   integer  not null,
  constraint sync_name_form check (name ~ '^[A-Za-z][A-Za-z0-9_]*$'),
  constraint sync_name_reserved check (lower(name) not in ('pushdelta', 'fullcopy', 'swap', 'sync'))
);

create unique index sync_name_key on sync (lower(name));

-- What happens ------------------------------------------------------------------------------------------------------
-- sync_state, round and notice are written by the daemon and have no foreign keys: a command that is about to remove a
-- sync holds its row, and the daemon must not wait for that.

create table daemon (
  id              uuid        primary key default gen_random_uuid(),
  host            text        not null,
  pid             integer     not null,
  backend_pid     integer     not null,
  version         text        not null,
  log_destination text        not null,
  started_at      timestamptz not null default clock_timestamp(),
  heartbeat_at    timestamptz not null default clock_timestamp(),
  stop_requested  boolean     not null default false
) with (fillfactor = 20);

-- Half of each page is left free, so that a new version of a row finds room beside the old one and no index is touched.
create table sync_state (
  sync              uuid        not null,
  db                integer     not null,
  state             text        not null,
  waiting_for       text,
  since             timestamptz not null,
  retry_at          timestamptz,
  error_code        text,
  error_message     text,
  error_hint        text,
  last_good_at      timestamptz,
  last_good_ms      bigint,
  last_bad_at       timestamptz,
  rows_behind       bigint,
  seconds_behind    numeric,
  copy_tables_done  integer,
  copy_tables_total integer,
  copy_bytes_done   bigint,
  inserted          bigint      not null,
  updated           bigint      not null,
  deleted           bigint      not null,
  conflicts         bigint      not null,
  updated_at        timestamptz not null default clock_timestamp(),
  primary key (sync, db)
) with (fillfactor = 50);

create table round (
  id            bigint      generated always as identity primary key,
  sync          uuid        not null,
  db            integer     not null,
  started_at    timestamptz not null,
  ended_at      timestamptz not null,
  outcome       text        not null constraint round_outcome check (outcome in ('good', 'bad')),
  inserted      bigint      not null,
  updated       bigint      not null,
  deleted       bigint      not null,
  conflicts     bigint      not null,
  error_code    text,
  error_message text
);

create index round_by_sync on round (sync, ended_at);
create index round_by_end on round (ended_at);

create table kick (
  id           bigint      generated always as identity primary key,
  sync         uuid        not null constraint kick_sync references sync (id) on delete cascade,
  requested_at timestamptz not null default clock_timestamp(),
  requested_by text        not null,
  started_at   timestamptz,
  done_at      timestamptz,
  outcome      jsonb
);

create index kick_pending on kick (id) where done_at is null;

create table conflict (
  id            uuid        primary key,
  sync          uuid        not null,
  sync_name     text        not null,
  relation      integer     not null,
  schema_name   text        not null,
  relation_name text        not null,
  kind          text        not null,
  key           text        not null,
  winner        integer     not null,
  winner_name   text        not null,
  strategy      text        not null,
  versions      jsonb       not null,
  decided_at    timestamptz not null,
  recorded_on   text[]      not null
);

create index conflict_by_time on conflict (decided_at);
create index conflict_by_sync on conflict (sync, decided_at);

-- `relation` 0: the notice is about the database as a whole.
create table notice (
  sync     uuid        not null,
  db       integer     not null,
  relation integer     not null,
  code     text        not null,
  message  text        not null,
  since    timestamptz not null default clock_timestamp(),
  primary key (sync, db, relation, code)
);

create table db_memory (
  db                integer     primary key constraint db_memory_db references db (id) on delete cascade,
  incarnation       bigint      not null,
  system_identifier numeric     not null,
  timeline          integer     not null,
  database_oid      oid         not null,
  seen_at           timestamptz not null default clock_timestamp()
);

-- Announcements -----------------------------------------------------------------------------------------------------
-- The channel has the name of the control schema; the payload says what to look at. Equal ones of a transaction
-- arrive once.

create function announce() returns trigger
language plpgsql as $$
begin
  perform pg_catalog.pg_notify(tg_table_schema, tg_argv[0]);
  return null;
end
$$;

create trigger announce after insert or update or delete on db
  for each statement execute function announce('changed');
create trigger announce after insert or update or delete on dbgroup_member
  for each statement execute function announce('changed');
create trigger announce after update on relation
  for each statement execute function announce('changed');
create trigger announce after insert or update or delete on relgroup_member
  for each statement execute function announce('changed');
create trigger announce after insert or update or delete on sync
  for each statement execute function announce('changed');
create trigger announce_request after insert on kick
  for each statement execute function announce('kick');
create trigger announce_progress after update on kick
  for each statement execute function announce('kick_progress');
create trigger announce_stop after update of stop_requested on daemon
  for each statement execute function announce('stop');
