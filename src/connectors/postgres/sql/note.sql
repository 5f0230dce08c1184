-- The body of every function behind a capture trigger: reads the control word and notes what the trigger saw in the
-- current segment. It runs with the rights of its owner under the search path of the application, so every
-- name and operator comes with its schema. The word is read from the sequence, which no snapshot hides.
<<noting>>
declare
  control bigint := pg_catalog.pg_sequence_last_value(:control);
  segment bigint := control operator(pg_catalog.&) 3;
  place bigint;
  noted bigint;
begin
  :before
  -- A round of ours; an application that makes the same setting is no round.
  if session_user operator(pg_catalog.=) :role
     and pg_catalog.current_setting(:setting, true) operator(pg_catalog.=) 'on' then
    return null;
  end if;
  if control is null or (control operator(pg_catalog.&) 8) operator(pg_catalog.<>) 0 then
    return null;
  end if;
  if (control operator(pg_catalog.>>) 4) operator(pg_catalog.<)
       pg_catalog.int8(pg_catalog.date_part('epoch', pg_catalog.now())) then
    if not :schema.pass_deadline() then
      return null;
    end if;
  end if;
  -- Drawn here, which is cheaper than in the statements below.
  place := :next_seq;
  if segment operator(pg_catalog.=) 0 then
    :write_0;
  elsif segment operator(pg_catalog.=) 1 then
    :write_1;
  elsif segment operator(pg_catalog.=) 2 then
    :write_2;
  else
    :write_3;
  end if;
  get diagnostics noted = row_count;
  if noted operator(pg_catalog.=) 0 then
    return null;
  end if;
  -- A daemon that was killed leaves the word armed, and the server may have come to allow two-phase commit since.
  if (control operator(pg_catalog.&) 4) operator(pg_catalog.<>) 0
     and pg_catalog.current_setting('max_prepared_transactions') operator(pg_catalog.=) '0' then
    perform pg_catalog.pg_notify(:channel, :tbl);
  end if;
  if noted operator(pg_catalog.>) 10000
     or (pg_catalog.txid_current() operator(pg_catalog.&) 4095) operator(pg_catalog.=) 0 then
    perform :schema.keep_budget();
  end if;
  return null;
end
