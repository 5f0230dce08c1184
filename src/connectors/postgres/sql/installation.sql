-- What Tahr keeps on every PostgreSQL database that takes part, in a schema of its own (:schema is its quoted
-- name). Run inside one transaction. Everything here belongs to the installation named in `identity`.

create schema :schema;

-- One row. `made_by` tells a physical copy of the database from a logical one: in a copy made by dump and
-- restore the row has another xmin. `incarnation` rises with each purge of deltas, so a database that was set back to
-- an earlier state is recognised by a number that is lower than the one remembered.
create table :schema.identity (
  only_one     boolean primary key default true check (only_one),
  installation uuid    not null,
  database     integer not null,
  made_by      xid8    not null default pg_current_xact_id(),
  incarnation  bigint  not null default 1,
  -- How much room the deltas may take: a capture trigger that finds more switches capture off (see keep_budget).
  budget_bytes bigint  not null default 16 * 1024 ^ 3
);

-- The control word that the capture triggers read without touching a row:
-- deadline in seconds since 1970 * 16 + off * 8 + armed * 4 + current segment (0 to 3).
create sequence :schema.control minvalue 0;

-- Where the earlier timelines were left, as the server wrote it into a file when it was promoted. An ordinary role may not read
-- that file; docs/privileges.md says how a superuser lets this function do it.
create function :schema.timeline_history(timeline integer) returns text language sql set search_path = pg_catalog as $$
  select pg_read_file('pg_wal/' || lpad(upper(to_hex(timeline)), 8, '0') || '.history', 0, 1048576, true)
$$;

-- The order of the deltas (`connectors/postgres/delta.ts`).
create sequence :schema.seq;

-- What a delta says of a version that a round brought here.
create type :schema.relay as (
  -- The sync whose round it was, and for its databases: where the version was made and by which transaction.
  sync       uuid,
  origin     integer,
  oxid       xid8,
  -- The snapshot of this database in which it was decided: the database's own changes that it sees are behind the version.
  decided    pg_snapshot,
  -- Several versions knew nothing of each other, and this one was chosen.
  is_verdict boolean,
  -- Several versions knew nothing of each other, and none was chosen: this database has kept its own, but not over the others.
  is_open    boolean,
  -- By which databases the change has come here from sync to sync, first the one on which an application made it.
  path       integer[],
  -- Other syncs take it for a change of this database: makedelta.
  cascades   boolean
);

-- The key shapes in use: a tuple of column types, each the widest of its family. Shape 0 has no key columns: its
-- segments hold truncations. A shape has four delta segments d_<id>_<0..3>.
create table :schema.shape (
  id    integer primary key,
  types text[]  not null unique
);

-- The tables whose changes are captured. `relation` is the oid at the time of installation.
create table :schema.captured (
  tbl           integer primary key,
  relation      oid     not null,
  schema_name   text    not null,
  relation_name text    not null,
  shape         integer not null references :schema.shape (id),
  key_columns   text[]  not null,
  level         text    not null check (level in ('statement', 'row')),
  fires         text    not null check (fires in ('always', 'origin')),
  -- Digest of the triggers and functions that capture the table: another one means that they have to be made anew.
  definition    text    not null,
  -- Earlier changes of the table are not in the deltas, or are there by another key.
  since         xid8    not null default pg_current_xact_id()
);

-- Who reads the deltas of this database, from `began` on. Deltas that a consumer has not acknowledged are kept for it;
-- positions of it before `floor` cannot be served, because what followed them was discarded.
create table :schema.consumer (
  sync     uuid        not null,
  database integer     not null,
  tables   integer[]   not null,
  began    pg_snapshot not null,
  acked    pg_snapshot not null,
  floor    pg_snapshot not null,
  acked_at timestamptz not null default now(),
  -- Nothing is kept for it any more (`connectors/postgres/queue.ts`). Over when it stands where everything is there again.
  released boolean     not null default false,
  primary key (sync, database)
);

-- Changes that `pos` sees may not have been captured at all: no position before it can be served, whoever reads. Written
-- when capture begins again after its deadline or after its budget was exceeded. The newest row counts.
create table :schema.floor (
  seq bigint primary key,
  pos pg_snapshot not null
);

-- How far this database has applied each source, per sync. Rows are only ever inserted: the newest `seq` counts,
-- and inserting the next one is the fence that two workers cannot both pass.
create table :schema.position (
  sync              uuid        not null,
  source            integer     not null,
  seq               bigint      not null,
  pos               pg_snapshot not null,
  system_identifier numeric     not null,
  timeline          integer     not null,
  database_oid      oid         not null,
  incarnation       bigint      not null,
  lsn               pg_lsn      not null,
  started_at        timestamptz not null,
  copy_generation   integer     not null,
  moved_at          timestamptz not null default clock_timestamp(),
  primary key (sync, source, seq)
);

-- The sequences that this database shares with other sources: it draws the values that are congruent to
-- `place` times the size of `increment`, modulo `sources` times that. `increment` is what is put back in the end. While
-- a row is here no round sets the sequence.
create table :schema.interleaved (
  relation      integer primary key,
  sync          uuid    not null,
  schema_name   text    not null,
  relation_name text    not null,
  increment     bigint  not null,
  sources       integer not null,
  place         integer not null
);

-- By how much the clock of this server is ahead of the control database's, for deltas from a place in their order on
-- (`connectors/postgres/true-time.ts`). Rows are never changed: what two databases decide by them has to be the same.
create table :schema.clock (
  since_seq   bigint      primary key,
  ahead       interval    not null,
  measured_at timestamptz not null default clock_timestamp()
);

-- Conflicts, written in the transaction that acted on the decision, until they are in the conflict log. Without a winner: every
-- database has kept its row, until a person decides.
create table :schema.conflict (
  id         uuid        primary key,
  sync       uuid        not null,
  tbl        integer     not null,
  kind       text        not null,
  key        text        not null,
  winner     integer,
  strategy   text        not null,
  versions   jsonb       not null,
  decided_at timestamptz not null default clock_timestamp()
);

-- The room that the deltas take, as a share of what they may take.
create function :schema.fullness() returns double precision language sql set search_path = pg_catalog as $$
  select (select sum(pg_relation_size(c.oid)) from pg_class c
           where c.relnamespace = ':schema'::regnamespace and c.relkind = 'r' and c.relname like 'd\_%')::double precision
         / (select i.budget_bytes from :schema.identity i)
$$;

-- Called by the capture triggers now and then (a transaction in 4096, and after a large statement). Its setval is
-- not undone when the application's transaction is.
create function :schema.keep_budget() returns void language plpgsql security definer set search_path = pg_catalog as $$
begin
  if :schema.fullness() > 1 then
    perform pg_advisory_lock(hashtextextended(':schema.control', 0));
    perform setval(':schema.control', pg_sequence_last_value(':schema.control') | 8);
    perform pg_advisory_unlock(hashtextextended(':schema.control', 0));
  end if;
end
$$;
revoke execute on function :schema.keep_budget() from public;

-- Called by the capture triggers when the deadline has passed: because no daemon has come for so long, or because somebody has set the
-- clock. Returns whether capture goes on. While the deltas take little room it does, for a day at a time. Else it is
-- switched off, which a daemon finds, whatever the clock says by then; the setval is not undone when the application's
-- transaction is.
create function :schema.pass_deadline() returns boolean
language plpgsql security definer set search_path = pg_catalog as $$
declare
  now_s bigint := extract(epoch from greatest(now(), clock_timestamp()))::bigint;
  word bigint;
begin
  perform pg_advisory_lock(hashtextextended(':schema.control', 0));
  word := pg_sequence_last_value(':schema.control');
  if word & 8 = 0 and word >> 4 < now_s then
    word := case when :schema.fullness() > 1.0 / 256 then word | 8 else word & 15 | (now_s + 24 * 3600) << 4 end;
    perform setval(':schema.control', word);
  end if;
  perform pg_advisory_unlock(hashtextextended(':schema.control', 0));
  return word & 8 = 0;
end
$$;
revoke execute on function :schema.pass_deadline() from public;
