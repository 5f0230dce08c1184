-- Writes down what applications do to the tables, independent of Tahr: what was rolled back is not there, and what a round of Tahr
-- writes is not noted, because triggers are silent for a session in replica role. Every version of a row gets a token of its own.
create schema witness;
create sequence witness.token;
create table witness.write (
  id     bigint generated always as identity,
  xid    xid8 not null default pg_current_xact_id(),
  -- When the transaction started, and when this was written.
  at     timestamptz not null default now(),
  clock  timestamptz not null default clock_timestamp(),
  tbl    text not null,
  -- Null: the table was truncated.
  key    text,
  before text,
  after  text,
  image  jsonb
);

create function witness.mark() returns trigger language plpgsql as $$
begin
  new.token := ':label' || nextval('witness.token');
  return new;
end
$$;

-- A row with all its values as text.
create function witness.image_of(anyelement) returns jsonb language sql as $$
  select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb($1))
$$;

-- Its arguments are the columns of the key.
create function witness.note() returns trigger language plpgsql as $$
declare
  old_key text;
  new_key text;
begin
  if tg_op <> 'INSERT' then
    old_key := (select jsonb_agg(to_jsonb(old) ->> c)::text from unnest(tg_argv) c);
  end if;
  if tg_op <> 'DELETE' then
    new_key := (select jsonb_agg(to_jsonb(new) ->> c)::text from unnest(tg_argv) c);
  end if;
  if old_key is distinct from new_key and old_key is not null then
    insert into witness.write (tbl, key, before) values (tg_table_name, old_key, old.token);
  end if;
  if new_key is not null then
    insert into witness.write (tbl, key, before, after, image)
    values (tg_table_name, new_key, case when old_key = new_key then old.token end, new.token, witness.image_of(new));
  end if;
  return null;
end
$$;

create function witness.note_truncation() returns trigger language plpgsql as $$
begin
  insert into witness.write (tbl) values (tg_table_name);
  execute format(
    'insert into witness.write (tbl, key, before)
     select %L, (select jsonb_agg(to_jsonb(t) ->> c)::text from unnest(%L::text[]) c), token from %I t',
    tg_table_name, tg_argv, tg_table_name);
  return null;
end
$$;
