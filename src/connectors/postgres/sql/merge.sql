-- What rows are merged by (`connectors/postgres/merge.ts`). A version is [microseconds since 1970, number of the database];
-- the later one counts. The state of a row has `h`, the highest time in it, and by column: `c`, the version of its value;
-- `n`, for a counter what each database has added, as [how many times, how much]; `k`, the versions of keys or elements
-- that have changed since the value was set.
--
-- These functions are called where the search path is pg_catalog, in sessions of ours and by the trigger. They have none of
-- their own, which would cost more.

create function :schema.later_versions(one jsonb, other jsonb) returns jsonb
language sql immutable parallel safe as $$
  select coalesce(
           jsonb_object_agg(key, greatest(coalesce(a.value, '[0, 0]'), coalesce(b.value, '[0, 0]'))),
           '{}')
    from jsonb_each(coalesce(one, '{}')) a
    full join jsonb_each(coalesce(other, '{}')) b using (key)
$$;

-- Of each database the later count: it never goes down.
create function :schema.later_counts(one jsonb, other jsonb) returns jsonb
language sql immutable parallel safe as $$
  select coalesce(
           jsonb_object_agg(key, case
             when coalesce((a.value->>0)::bigint, 0) >= coalesce((b.value->>0)::bigint, 0) then a.value
             else b.value
           end),
           '{}')
    from jsonb_each(coalesce(one, '{}')) a
    full join jsonb_each(coalesce(other, '{}')) b using (key)
$$;

create function :schema.sum_of_counts(counts jsonb) returns numeric
language sql immutable parallel safe as $$
  select coalesce(sum((value->>1)::numeric), 0) from jsonb_each(coalesce(counts, '{}'))
$$;

-- The versions of keys or elements: one that has none of its own has that of the whole value.
create function :schema.later_keys(one jsonb, one_whole jsonb, other jsonb, other_whole jsonb) returns jsonb
language sql immutable parallel safe as $$
  select coalesce(
           jsonb_object_agg(key, greatest(coalesce(a.value, one_whole, '[0, 0]'), coalesce(b.value, other_whole, '[0, 0]'))),
           '{}')
    from jsonb_each(coalesce(one, '{}')) a
    full join jsonb_each(coalesce(other, '{}')) b using (key)
$$;

create function :schema.merged_state(one jsonb, other jsonb) returns jsonb
language sql immutable parallel safe as $$
  select jsonb_build_object(
    'h', greatest((one->>'h')::bigint, (other->>'h')::bigint),
    'c', :schema.later_versions(one->'c', other->'c'),
    'n', (select coalesce(jsonb_object_agg(key, :schema.later_counts(a.value, b.value)), '{}')
            from jsonb_each(coalesce(one->'n', '{}')) a
            full join jsonb_each(coalesce(other->'n', '{}')) b using (key)),
    'k', (select coalesce(
                   jsonb_object_agg(key, :schema.later_keys(a.value, one->'c'->key, b.value, other->'c'->key)),
                   '{}')
            from jsonb_each(coalesce(one->'k', '{}')) a
            full join jsonb_each(coalesce(other->'k', '{}')) b using (key)))
$$;

-- Where two values have one version although they differ (they were never merged before), the same one is chosen on both
-- sides.
create function :schema.merged_object(
  one jsonb, one_keys jsonb, one_whole jsonb, other jsonb, other_keys jsonb, other_whole jsonb
) returns jsonb
language sql immutable parallel safe as $$
  select case
    when jsonb_typeof(one) = 'object' and jsonb_typeof(other) = 'object' then (
      select coalesce(jsonb_object_agg(key, value) filter (where value is not null), '{}')
        from (select key,
                     case
                       when v.a > v.b then one->key
                       when v.a < v.b then other->key
                       else greatest(one->key, other->key)
                     end as value
                from (select jsonb_object_keys(one) as key union select jsonb_object_keys(other)) keys,
                     lateral (select coalesce(one_keys->key, one_whole, '[0, 0]') as a,
                                     coalesce(other_keys->key, other_whole, '[0, 0]') as b) v) chosen)
    when coalesce(one_whole, '[0, 0]') > coalesce(other_whole, '[0, 0]') then one
    when coalesce(one_whole, '[0, 0]') < coalesce(other_whole, '[0, 0]') then other
    else greatest(one, other)
  end
$$;

-- In the order of their text, so that both sides come to the same one.
create function :schema.merged_set(
  one text[], one_keys jsonb, one_whole jsonb, other text[], other_keys jsonb, other_whole jsonb
) returns text[]
language sql immutable parallel safe as $$
  select case
    when one is not null and other is not null then (
      select coalesce(array_agg(element order by element collate "C"), '{}')
        from (select unnest(one) as element union select unnest(other)) elements,
             lateral (select coalesce(one_keys->element, one_whole, '[0, 0]') as a,
                             coalesce(other_keys->element, other_whole, '[0, 0]') as b) v
       where element is not null
         and case
               when v.a > v.b then element = any (one)
               when v.a < v.b then element = any (other)
               else true
             end)
    when coalesce(one_whole, '[0, 0]') > coalesce(other_whole, '[0, 0]') then one
    when coalesce(one_whole, '[0, 0]') < coalesce(other_whole, '[0, 0]') then other
    else coalesce(one, other)
  end
$$;

-- What an application has done to a row, as its state notes it: `value` of the column, in the part `part`.
create function :schema.noted(state jsonb, part text, col text, value jsonb) returns jsonb
language sql immutable parallel safe as $$
  select state || jsonb_build_object(part, coalesce(state->part, '{}') || jsonb_build_object(col, value))
$$;

create function :schema.noted_count(state jsonb, col text, origin integer, difference numeric) returns jsonb
language sql immutable parallel safe as $$
  select :schema.noted(state, 'n', col, coalesce(state->'n'->col, '{}') || jsonb_build_object(
    origin::text,
    jsonb_build_array(coalesce((state->'n'->col->(origin::text)->>0)::bigint, 0) + 1,
                      coalesce((state->'n'->col->(origin::text)->>1)::numeric, 0) + difference)))
$$;

-- The keys of two objects whose values differ.
create function :schema.noted_keys(state jsonb, col text, before jsonb, after jsonb, version jsonb) returns jsonb
language sql immutable parallel safe as $$
  select case
    when jsonb_typeof(before) = 'object' and jsonb_typeof(after) = 'object' then
      :schema.noted(state, 'k', col, coalesce(state->'k'->col, '{}') || (
        select coalesce(jsonb_object_agg(key, version), '{}')
          from jsonb_each(before) b
          full join jsonb_each(after) a using (key)
         where a.value is distinct from b.value))
    else :schema.noted(:schema.noted(state, 'c', col, version), 'k', col, '{}')
  end
$$;

-- The elements that are in one of two arrays only.
create function :schema.noted_elements(state jsonb, col text, before text[], after text[], version jsonb) returns jsonb
language sql immutable parallel safe as $$
  select case
    when before is not null and after is not null then
      :schema.noted(state, 'k', col, coalesce(state->'k'->col, '{}') || (
        select coalesce(jsonb_object_agg(element, version), '{}')
          from ((select unnest(before) except select unnest(after))
                union
                (select unnest(after) except select unnest(before))) e (element)
         where element is not null))
    else :schema.noted(:schema.noted(state, 'c', col, version), 'k', col, '{}')
  end
$$;
