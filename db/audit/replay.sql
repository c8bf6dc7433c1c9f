-- Backstitch: the proof that the trail is complete. Replayed from empty, it gives every watched table as it
-- stands; where it does not, audit.differences says which row, which column, and what each side has.
--
-- Everything here reads one snapshot per statement and takes no lock that a writer waits for, so it is right
-- while people write. A reader who wants several tables as of one moment opens a REPEATABLE READ transaction.
--
-- The order of the ids is the order of the changes, save within one statement that changes a row twice (triggers.sql
-- says when). So where a row does not replay by id, each transaction's records of it may come in any order that does.
--
-- Limits. Secrets are left out: the trail does not have them.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.row_fits(row_values jsonb, said jsonb) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
    -- A column that no record mentions is null. Images are compared (*<>): 1.0 is not 1.00.
    select not exists (
        select from jsonb_each(said) s
        where row(s.value)::record *<> row(coalesce(row_values -> s.key, 'null'))::record)
$$;
comment on function audit.row_fits(jsonb, jsonb) is 'Whether a row has all the values that are said of it.';

create or replace function audit.replay_step(
    state audit.replayed_row, record_id bigint, action text, old_values jsonb, new_values jsonb
) returns audit.replayed_row
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    -- Of the two tests the quick one stands first; the other knows columns that no record has mentioned yet.
    if (case when action = 'BASELINE' then false
             when action = 'CREATE' then state.row_values is not null
             when state.row_values is null then true
             else row(state.row_values || old_values)::record *<> row(state.row_values)::record
                  and not audit.row_fits(state.row_values, old_values) end)
    then
        state.broken_at := coalesce(state.broken_at, record_id);
    end if;
    state.row_values := case action when 'CREATE' then new_values
                                    when 'BASELINE' then new_values
                                    when 'UPDATE' then coalesce(state.row_values, old_values) || new_values end;
    return state;
end
$$;
comment on function audit.replay_step(audit.replayed_row, bigint, text, jsonb, jsonb) is 'One record of the replay of a row.';

create or replace aggregate audit.replay_of(bigint, text, jsonb, jsonb) (
    sfunc = audit.replay_step, stype = audit.replayed_row, parallel = safe);
comment on aggregate audit.replay_of(bigint, text, jsonb, jsonb) is
    'Replays the records of one row: id, action, old and new values, to be given in the order of the ids.';

create or replace view audit.replay_steps as
    select r.entity, r.entity_id, r.id, r.transaction_id, r.action::text, r.old_values, r.new_values
    from audit.records r where r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
    union all
    select b.entity, b.entity_id, b.record_id, null, 'BASELINE', null, b.row_values
    from audit.baselines b;
comment on view audit.replay_steps is 'What a replay goes through: the records of changes, and the baselines.';

create or replace function audit.replay_transaction(state audit.replayed_row, steps audit.replay_steps[])
returns audit.replayed_row
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    step audit.replay_steps;
    next_state audit.replayed_row;
    place integer;
begin
    while cardinality(steps) > 0 loop
        -- The first that says what is there now; if none does, the first.
        foreach place in array array(select generate_series(1, cardinality(steps))) || 1 loop
            step := steps[place];
            next_state := audit.replay_step(row(state.row_values, null)::audit.replayed_row,
                                            step.id, step.action, step.old_values, step.new_values);
            exit when next_state.broken_at is null;
        end loop;
        state := row(next_state.row_values, coalesce(state.broken_at, next_state.broken_at))::audit.replayed_row;
        steps := steps[:place - 1] || steps[place + 1:];
    end loop;
    return state;
end
$$;
comment on function audit.replay_transaction(audit.replayed_row, audit.replay_steps[]) is
    'Replays what one transaction did to a row, in an order in which each record says what was there before it.';

create or replace function audit.replay_row(of_entity text, row_id bigint, last_record bigint, redacted text[])
returns audit.replayed_row
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    state audit.replayed_row;
    attempt audit.replayed_row;
    run record;
begin
    -- A number of a transaction can come again in another era; a run of it is one transaction.
    for run in
        select array_agg(step order by (step).id) as up, array_agg(step order by (step).id desc) as down
        from (select row(s.entity, s.entity_id, s.id, s.transaction_id, s.action, s.old_values - redacted,
                         s.new_values - redacted)::audit.replay_steps as step,
                     row_number() over (order by s.id)
                     - row_number() over (partition by s.transaction_id order by s.id) as run_of, s.transaction_id
              from audit.replay_steps s
              where s.entity = of_entity and s.entity_id = row_id and s.id <= last_record) steps
        group by run_of, transaction_id
        order by min((step).id)
    loop
        attempt := audit.replay_transaction(row(state.row_values, null)::audit.replayed_row, run.up);
        if attempt.broken_at is not null then
            attempt := audit.replay_transaction(row(state.row_values, null)::audit.replayed_row, run.down);
        end if;
        state := row(attempt.row_values, coalesce(state.broken_at, attempt.broken_at))::audit.replayed_row;
    end loop;
    return state;
end
$$;
comment on function audit.replay_row(text, bigint, bigint, text[]) is
    'Replays one row up to a record, transaction by transaction, whatever the order within each.';

create or replace function audit.replayed(w audit.watched_tables)
returns table (entity_id bigint, row_values jsonb, broken_at bigint)
language sql stable rows 100000 set search_path = pg_catalog, pg_temp set work_mem = '64MB'
as $$
    select r.entity_id, (v.replay).row_values, (v.replay).broken_at
    from (select s.entity_id,
                 audit.replay_of(s.id, s.action, s.old_values - w.redacted, s.new_values - w.redacted order by s.id)
                     as replay
          from audit.replay_steps s
          where s.entity = w.entity
          group by s.entity_id) r
    cross join lateral (
        select case when (r.replay).broken_at is null then r.replay
                    else audit.replay_row(w.entity, r.entity_id, 9223372036854775807, w.redacted) end as replay) v
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
                   or v.trail is not null and v.stored is not null and audit.row_fits(v.trail, v.stored) as agrees
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

create or replace function audit.drop_baselines() returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_nestloop = off set work_mem = '64MB'
as $$
begin
    -- One that the next follows at once says nothing more, nor does one that says `deleted` before any change.
    delete from audit.baselines b
    using (select s.entity, s.entity_id, s.id, s.action,
                  count(*) filter (where s.action <> 'BASELINE') over of_row as changes_before,
                  lead(s.action) over of_row as after
           from audit.replay_steps s
           where (s.entity, s.entity_id) in (select n.entity, n.entity_id from audit.baselines n)
           window of_row as (partition by s.entity, s.entity_id order by s.id)) s
    where s.action = 'BASELINE' and b.entity = s.entity and b.entity_id = s.entity_id and b.record_id = s.id
        and (s.after = 'BASELINE' or s.changes_before = 0 and b.row_values is null);
    return audit.baselines_digest();
end
$$;
comment on function audit.drop_baselines() is
    'After the records of a deletion went: drops baselines that nothing goes on from. Returns audit.baselines_digest().';

create or replace function audit.baselines_digest() returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(coalesce(string_agg(
        sha256(array_send(array[convert_to(b.entity, 'UTF8'), int8send(b.entity_id), int8send(b.record_id),
                                convert_to(b.row_values::text, 'UTF8')])), '' order by b.record_id), '')), 'hex')
    from audit.baselines b
$$;
comment on function audit.baselines_digest() is 'SHA-256 over all baselines.';

revoke all on audit.baselines, audit.replay_steps from public;
