-- What is said of single tables before what is said of their sync; and the order in which tables and databases stand.

alter table relation
  add column analyze_after_copy boolean,
  add column vacuum_after_copy  boolean,
  add column rebuild_index      boolean,
  add column strict_checking    boolean,
  -- Copies of a whole sync pass it over; its changes are replicated.
  add column ghost              boolean not null default false,
  add column priority           integer not null default 0;

alter table sync
  add column rebuild_index   boolean not null default false,
  add column strict_checking boolean not null default false;
alter table sync
  alter column rebuild_index drop default,
  alter column strict_checking drop default;

alter table dbgroup_member
  add column priority integer not null default 0;
