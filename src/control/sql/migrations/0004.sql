-- compatible
-- How a table was when it was looked at last, so that what happened to it while no daemon ran is told by the next one.
create table seen_table (
  sync              uuid    not null,
  db                integer not null,
  relation          integer not null,
  system_identifier numeric not null,
  oid               oid     not null,
  triggers          text    not null,
  children          text    not null,
  primary key (sync, db, relation)
);
