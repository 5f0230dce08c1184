-- How much may wait on a source for a database that does not read it, and what is done then: tell of it, give up what is kept for it and copy
-- to it when it is back, or nothing. What is said of a database counts before what is said of a sync.
alter table sync
  add column queue_limit_bytes bigint constraint sync_queue_limit_bytes check (queue_limit_bytes > 0),
  add column queue_limit_ms    bigint constraint sync_queue_limit_ms check (queue_limit_ms > 0),
  add column queue_policy      text   constraint sync_queue_policy check (queue_policy in ('warn', 'release', 'keep'));

alter table db
  add column queue_limit_bytes bigint constraint db_queue_limit_bytes check (queue_limit_bytes > 0),
  add column queue_limit_ms    bigint constraint db_queue_limit_ms check (queue_limit_ms > 0),
  add column queue_policy      text   constraint db_queue_policy check (queue_policy in ('warn', 'release', 'keep'));
