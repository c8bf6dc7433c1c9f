-- Backstitch: the replay of rows, for what the database itself records.
--
-- Contract. Replaying the records of a row gives the row as it stood. audit.record_unseen records the difference after
-- a change that fired no trigger, and audit.delete_records keeps what the records that it deletes say of a row. The proof
-- that the trail is complete is not here: backstitch/audit/replay.py replays raw records in Python.
--
-- Order. The ids of records give the order of changes, except within one statement that changes a row twice
-- (triggers.sql, Limits). So a row that does not replay in the order of ids is replayed transaction by transaction, and
-- the records of each in any order that works.
--
-- Locks. None that a writer waits for. Each function reads one snapshot.
--
-- Limits. Redacted columns are left out, because the trail does not have their values.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.row_has(row_values jsonb, recorded jsonb) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
    -- A column that no record names is null. Binary images are compared (*<>), because 1.0 is not 1.00.
    select not exists (
        select from jsonb_each(recorded) r
        where row(r.value)::record *<> row(coalesce(row_values -> r.key, 'null'))::record)
$$;
comment on function audit.row_has(jsonb, jsonb) is 'Returns whether a row has all of these recorded values.';

create or replace function audit.replay_step(
    state audit.replayed_row, record_id bigint, action text, old_values jsonb, new_values jsonb
) returns audit.replayed_row
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    -- The first test is quick. The second also accepts a column that no record has named yet: it is null.
    if (case when action = 'BASELINE' then false
             when action = 'CREATE' then state.row_values is not null
             when state.row_values is null then true
             else row(state.row_values || old_values)::record *<> row(state.row_values)::record
                  and not audit.row_has(state.row_values, old_values) end)
    then
        state.broken_at := coalesce(state.broken_at, record_id);
    end if;
    state.row_values := case action when 'CREATE' then new_values
                                    when 'BASELINE' then new_values
                                    when 'UPDATE' then coalesce(state.row_values, old_values) || new_values end;
    return state;
end
$$;
comment on function audit.replay_step(audit.replayed_row, bigint, text, jsonb, jsonb) is
    'Returns the state of a row after one of its records. Sets broken_at if the record''s old values are not those of '
    'the state before.';

create or replace aggregate audit.replay_of(bigint, text, jsonb, jsonb) (
    sfunc = audit.replay_step, stype = audit.replayed_row, parallel = safe);
comment on aggregate audit.replay_of(bigint, text, jsonb, jsonb) is
    'Replays the records of one row: id, action, old values, new values. Call it with order by id.';

create or replace view audit.replay_steps as
    select r.entity, r.entity_id, r.id, r.transaction_id, r.action::text, r.old_values, r.new_values
    from audit.records r where r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
    union all
    select b.entity, b.entity_id, b.record_id, null, 'BASELINE', null, b.row_values
    from audit.baselines b;
comment on view audit.replay_steps is 'The steps of a replay: the records of data changes, and the baselines.';

create or replace function audit.replay_transaction(state audit.replayed_row, steps audit.replay_steps[])
returns audit.replayed_row
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    step audit.replay_steps;
    next_state audit.replayed_row;
    index integer;
begin
    while cardinality(steps) > 0 loop
        -- Takes the first step whose old values are those of the row now; if there is none, the first step.
        foreach index in array array(select generate_series(1, cardinality(steps))) || 1 loop
            step := steps[index];
            next_state := audit.replay_step(row(state.row_values, null)::audit.replayed_row,
                                            step.id, step.action, step.old_values, step.new_values);
            exit when next_state.broken_at is null;
        end loop;
        state := row(next_state.row_values, coalesce(state.broken_at, next_state.broken_at))::audit.replayed_row;
        steps := steps[:index - 1] || steps[index + 1:];
    end loop;
    return state;
end
$$;
comment on function audit.replay_transaction(audit.replayed_row, audit.replay_steps[]) is
    'Replays the records of a row from one transaction, in an order in which the old values of each are those of the '
    'row before it.';

create or replace function audit.replay_row(of_entity text, row_id bigint, last_record bigint, redacted text[])
returns audit.replayed_row
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    state audit.replayed_row;
    attempt audit.replayed_row;
    run record;
begin
    -- A transaction number can come again in another era (seals.sql), so a transaction is an unbroken run of its
    -- number.
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
    'Replays one row up to a record, transaction by transaction, in whatever order within each works.';

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
    'Returns every row of a table that the trail has, as its records leave it (null: deleted), and the first record '
    'that does not fit; personal values as references.';

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
            source, database_role, application, client_address, operation, reason, request, old_values, new_values)
        select clock_timestamp(), pg_current_xact_id()::text::bigint, v.id, v.parent_id, ($2).user_id, ($2).session_id,
               u.action, $1.entity, ($2).source, ($2).database_role, ($2).application, ($2).client_address,
               coalesce(($2).operation, 'schema change'), ($2).reason, ($2).request, u.old_values, u.new_values
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
            -- A dropped column becomes null; an added one was null before.
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
        audit.row_source(w, 'n'), target)
    using w, actor, columns;
    get diagnostics written = row_count;
    return written;
end
$$;
comment on function audit.record_unseen(regclass, text[]) is
    'Records changes that fired no trigger: of the named columns, or, without names, of whole rows. Returns how many '
    'records it wrote. Called by audit.watch, and by a migration after an ALTER TYPE ... USING that keeps the type. '
    'For the owner only.';

create or replace function audit.prune_baselines() returns text
language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_nestloop = off set work_mem = '64MB'
as $$
begin
    -- A baseline is needless if the next step of its row is a baseline, or if it says `deleted` and no change comes
    -- before it.
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
comment on function audit.prune_baselines() is
    'Deletes needless baselines after a deletion of records. Returns audit.baselines_digest().';

create or replace function audit.baselines_digest() returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(coalesce(string_agg(
        sha256(array_send(array[convert_to(b.entity, 'UTF8'), int8send(b.entity_id), int8send(b.record_id),
                                convert_to(b.row_values::text, 'UTF8')])), '' order by b.record_id), '')), 'hex')
    from audit.baselines b
$$;
comment on function audit.baselines_digest() is 'Returns the SHA-256 over all baselines, in hex.';
