-- Backstitch: the proof that the trail is complete. Replayed from empty, it gives every watched table as it
-- stands; where it does not, audit.differences says which row, which column, and what each side has.
--
-- Everything here reads one snapshot per statement and takes no lock that a writer waits for, so it is right
-- while people write. A reader who wants several tables as of one moment opens a REPEATABLE READ transaction.
--
-- Limits. The order of the ids is taken for the order of the changes; triggers.sql says when it is not.
-- Secrets are left out: the trail does not have them.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

do $$
begin
    create type audit.replayed_row as (row_values jsonb, broken_at bigint);
exception when duplicate_object then null;
end
$$;
comment on type audit.replayed_row is
    'A row as its records leave it (null: deleted), and the first record that does not say what was there before.';

create or replace function audit.fits(row_values jsonb, said jsonb) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
    -- A column that no record mentions is null. Images are compared (*<>): 1.0 is not 1.00.
    select not exists (
        select from jsonb_each(said) s
        where row(s.value)::record *<> row(coalesce(row_values -> s.key, 'null'))::record)
$$;
comment on function audit.fits(jsonb, jsonb) is 'Whether a row has all the values that are said of it.';

create or replace function audit.replay_step(
    state audit.replayed_row, record_id bigint, action text, old_values jsonb, new_values jsonb
) returns audit.replayed_row
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    -- Of the two tests the quick one stands first; the other knows columns that no record has mentioned yet.
    if (case when action = 'CREATE' then state.row_values is not null
             when state.row_values is null then true
             else row(state.row_values || old_values)::record *<> row(state.row_values)::record
                  and not audit.fits(state.row_values, old_values) end)
    then
        state.broken_at := coalesce(state.broken_at, record_id);
    end if;
    state.row_values := case action when 'CREATE' then new_values
                                    when 'UPDATE' then coalesce(state.row_values, old_values) || new_values end;
    return state;
end
$$;
comment on function audit.replay_step(audit.replayed_row, bigint, text, jsonb, jsonb) is 'One record of the replay of a row.';

create or replace aggregate audit.replay_of(bigint, text, jsonb, jsonb) (
    sfunc = audit.replay_step, stype = audit.replayed_row, parallel = safe);
comment on aggregate audit.replay_of(bigint, text, jsonb, jsonb) is
    'Replays the records of one row: id, action, old and new values, to be given in the order of the ids.';

create or replace function audit.replayed(w audit.watched_tables)
returns table (entity_id bigint, row_values jsonb, broken_at bigint)
language sql stable rows 100000 set search_path = pg_catalog, pg_temp set work_mem = '64MB'
as $$
    select r.entity_id, (r.replay).row_values, (r.replay).broken_at
    from (select t.entity_id,
                 audit.replay_of(t.id, t.action, t.old_values - w.redacted, t.new_values - w.redacted order by t.id)
                     as replay
          from audit.records t
          where t.entity = w.entity and t.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
          group by t.entity_id) r
$$;
comment on function audit.replayed(audit.watched_tables) is
    'Every row that the trail knows of a table, as its records leave it; personal values as references.';

create or replace function audit.differences(target regclass)
returns table (entity_id bigint, column_name text, in_trail jsonb, in_table jsonb, record_id bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set work_mem = '64MB'
as $$
declare
    w audit.watched_tables;
    plain audit.watched_tables;
    rebuilt text;
    stored text;
begin
    select * into strict w from audit.watched_tables t where t.relation = target;
    plain := w;
    plain.personal := '{}';
    -- Of a json column the trail keeps the value, not the spacing.
    select string_agg(format('(p).%I%s', c.name, c.cast_to), ', '), string_agg(format('n.%I%s', c.name, c.cast_to), ', ')
        into rebuilt, stored
    from (select a.attname as name, case when a.atttypid = 'json'::regtype then '::jsonb' else '' end as cast_to
          from pg_attribute a
          where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
              and a.attname <> all (w.redacted)
          order by a.attnum) c;

    -- Compared twice: what the row says of itself with what the trail says; then the stored values with those
    -- that the trail rebuilds, which only values that say the same can be asked for. `offset 0` keeps the
    -- planner from working out a side again for each use of it.
    return query execute format($query$
        select coalesce(r.entity_id, n.%1$I), d.column_name, d.in_trail, d.in_table, d.record_id
        from audit.replayed($1) r
        full join %4$s n on n.%1$I = r.entity_id
        cross join lateral (
            select %2$s as trail, case when n.%1$I is not null then (%3$s) - $1.redacted end as stored offset 0) v
        cross join lateral (
            select row(v.trail)::record *= row(v.stored)::record
                   or v.trail is not null and v.stored is not null and audit.fits(v.trail, v.stored) as agrees
            offset 0) j
        cross join lateral jsonb_populate_record(null::%4$s, case when j.agrees then v.trail end) p
        cross join lateral (
            select null, v.trail, v.stored, null::bigint where (v.trail is null) <> (v.stored is null)
            union all
            select s.key, coalesce(v.trail -> s.key, 'null'), s.value, null
            from jsonb_each(case when v.trail is not null then v.stored end) s
            where not j.agrees and row(s.value)::record *<> row(coalesce(v.trail -> s.key, 'null'))::record
            union all
            select 'as rebuilt', to_jsonb(p), v.stored, null
            where j.agrees and row(%5$s)::record *<> row(%6$s)::record
            union all
            select null, null, null, r.broken_at where r.broken_at is not null
        ) d (column_name, in_trail, in_table, record_id)
        where not j.agrees or r.broken_at is not null or row(%5$s)::record *<> row(%6$s)::record
        $query$,
        audit.key_column(target),
        case when w.personal = '{}' then 'r.row_values' else 'audit.revealed(r.row_values, ''null'')' end,
        audit.row_as_jsonb(plain, 'n'), target, rebuilt, stored)
    using w;
end
$$;
comment on function audit.differences(regclass) is
    'What differs between a watched table and the trail, which should be nothing. A row that one side lacks has no '
    'column_name and null on that side; record_id names a record that does not say what was there before it.';

create or replace function audit.record_unseen(target regclass, columns text[] default null) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set intervalstyle = 'iso_8601'
set extra_float_digits = 1 set bytea_output = 'hex' set work_mem = '64MB'
as $$
declare
    w audit.watched_tables;
    actor constant audit.actor := audit.current_actor();
    written bigint;
begin
    select * into strict w from audit.watched_tables t where t.relation = target;
    execute format($query$
        insert into audit.records (
            recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
            database_role, application, client_address, operation, reason, old_values, new_values)
        select clock_timestamp(), pg_current_xact_id()::text::bigint, v.id, v.parent_id, ($2).user_id, ($2).session_id,
               u.action, $1.entity, ($2).database_role, ($2).application, ($2).client_address,
               coalesce(($2).operation, 'schema change'), ($2).reason, u.old_values, u.new_values
        from (select coalesce(r.entity_id, n.%1$I) as id, %2$s as parent_id, r.row_values as trail,
                     case when n.%1$I is not null then %3$s end as stored
              from audit.replayed($1) r
              full join %4$s n on n.%1$I = r.entity_id
              offset 0) v
        cross join lateral (
            select 'CREATE' as action, null::jsonb as old_values, v.stored as new_values
            where $3 is null and v.trail is null and v.stored is not null
            union all
            select 'DELETE', v.trail, null where $3 is null and v.trail is not null and v.stored is null
            union all
            -- A column that is gone ends as null; one that is new was null before.
            select 'UPDATE', jsonb_object_agg(c.name, c.before), jsonb_object_agg(c.name, c.after)
            from (select name, coalesce(v.trail -> name, 'null') as before, coalesce(v.stored -> name, 'null') as after
                  from unnest(coalesce($3, array(select jsonb_object_keys(v.stored)))) name
                  where v.trail is not null and v.stored is not null and name <> all ($1.redacted)) c
            where row(c.before)::record *<> row(c.after)::record
            having count(*) > 0) u
        order by v.id
        $query$,
        audit.key_column(target),
        case when w.parent is null then 'null::bigint' else format('n.%I', w.parent) end,
        audit.row_as_jsonb(w, 'n'), target)
    using w, actor, columns;
    get diagnostics written = row_count;
    return written;
end
$$;
comment on function audit.record_unseen(regclass, text[]) is
    'Records what no trigger saw: the named columns of rows that the trail knows, or, with no columns named, whatever '
    'it lacks. Called by audit.watch; by a migration after an ALTER TYPE ... USING that keeps the type. Owner only.';

revoke all on all functions in schema audit from public;
