-- breaking
-- How the sources of a sync draw from its sequences. A daemon that does not know the column would set the sequences of
-- an interleaved sync to one value everywhere, and the sources would draw the same values.
alter table sync
  add column sequence text not null default 'highest'
    constraint sync_sequence check (sequence in ('highest', 'interleave'));
