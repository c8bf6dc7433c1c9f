-- Backstitch: undo, from the trail.
--
-- A record, or all that one transaction did, is undone by the opposite statements in the opposite order:
-- what was created is deleted, what was deleted comes back with its id, what was updated gets its old values.
-- The triggers of the tables see these statements as they see any other, so they move the stock, ask for
-- reasons, refuse what breaks a rule, and put every row on the record again.
--
-- A row that was changed since is left as it is, and named. What an undo may touch is what its user may write:
-- a definer function runs it, and the triggers hold each statement against the right of the signed-in user
-- (audit.require_right). Managers undo what they did themselves, admins anything.
--
-- Limits. Only tables of the schema inventory are undone. A column that no user may write, the quantity of a
-- stock cell, is not set back: it follows the movements, which are; nor is a table that nobody may delete from. A record with a column that was renamed or
-- dropped since, or whose values are not kept in the trail, is left out, and named.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

do $$
begin
    create type audit.undo_step as (
        record_id bigint, entity text, entity_id bigint, parent_id bigint, action text,
        old_values jsonb, new_values jsonb, skipped text);
exception when duplicate_object then null;
end
$$;
comment on type audit.undo_step is
    'A record that is to be undone, and why it is not (null: it is): changed_since, columns_changed, values_not_kept.';

create or replace function audit.followed_columns(w audit.watched_tables) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select c.name from jsonb_to_recordset(w.columns) c (name text)
        where c.name <> audit.key_column(w.relation)
            and not has_column_privilege('backstitch_admin', w.relation, c.name, 'INSERT')
            and not has_column_privilege('backstitch_admin', w.relation, c.name, 'UPDATE'))
$$;
comment on function audit.followed_columns(audit.watched_tables) is
    'Columns that not even an admin may write: triggers keep them, so nobody has to set them back.';

create or replace function audit.require_undo_allowed(actor audit.actor, transaction_id bigint, near timestamptz)
returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if session_user = 'backstitch_app'
        and not exists (select from accounts.users u where u.id = actor.user_id and u.role = 'admin')
        and exists (select from audit.records r
                    where r.transaction_id = require_undo_allowed.transaction_id
                        and r.recorded_at between near - interval '12 hours' and near + interval '12 hours'
                        and r.user_id is distinct from actor.user_id)
    then
        raise exception 'undo of transaction % is refused: another user did it', transaction_id
            using errcode = 'insufficient_privilege', constraint = 'undo_own_changes',
                  hint = 'An admin can undo it.';
    end if;
end
$$;
comment on function audit.require_undo_allowed(audit.actor, bigint, timestamptz) is
    'Refuses the undo of what somebody else did, except to admins and to the owner in psql.';

create or replace function audit.undo_steps(transaction_id bigint, near timestamptz, record_id bigint default null)
returns setof audit.undo_step
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    -- The numbers of transactions start again after a restore, so only those within half a day.
    with asked as materialized (
        select audit.require_undo_allowed(audit.current_actor(), transaction_id, near)),
    tables as materialized (
        select w.entity, w.columns, w.redacted || w.personal as not_kept, audit.followed_columns(w) as followed
        from audit.watched_tables w join pg_class c on c.oid = w.relation
        where c.relnamespace = 'inventory'::regnamespace
            and has_table_privilege('backstitch_admin', w.relation, 'DELETE')),
    records as materialized (
        select r.*, t.columns, t.not_kept, t.followed,
               array(select jsonb_object_keys(coalesce(r.old_values, r.new_values))) as fields
        from asked, audit.records r join tables t using (entity)
        where r.transaction_id = undo_steps.transaction_id
            and r.recorded_at between near - interval '12 hours' and near + interval '12 hours'
            and (undo_steps.record_id is null or r.id = undo_steps.record_id)
            and r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')),
    steps as materialized (
        select r.*,
               case when not r.fields <@ array(select c.name from jsonb_to_recordset(r.columns) c (name text))
                    then 'columns_changed'
                    when r.action <> 'CREATE' and r.fields && r.not_kept
                    then 'values_not_kept'
                    when exists (select from audit.records l
                                 where l.entity = r.entity and l.entity_id = r.entity_id
                                     and l.recorded_at >= r.recorded_at and l.id > r.id
                                     and (l.transaction_id <> r.transaction_id or undo_steps.record_id is not null)
                                     and l.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
                                     and (l.action <> 'UPDATE' or not l.new_values - r.followed = '{}')
                                     and (r.action <> 'UPDATE' or l.action <> 'UPDATE' or l.new_values ?| r.fields))
                    then 'changed_since' end as verdict
        from records r
        where r.action <> 'UPDATE' or not r.fields <@ r.followed)
    -- A row goes back as a whole, or not at all.
    select s.id, s.entity, s.entity_id, s.parent_id, s.action::text, s.old_values, s.new_values,
           max(s.verdict) over (partition by s.entity, s.entity_id)
    from steps s
    order by s.id desc
$$;
comment on function audit.undo_steps(bigint, timestamptz, bigint) is
    'The records of a transaction near a time, or one of them, in the order in which an undo takes them, newest '
    'first, each with what keeps it from being undone. Changes nothing: the preview of an undo.';

create or replace function audit.lock_undone(steps audit.undo_step[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    target record;
begin
    -- In the order in which statements touch the tables, and by key within each.
    for target in
        select w.relation, audit.key_column(w.relation) as key, array_agg(s.entity_id) as ids
        from unnest(steps) s join audit.watched_tables w using (entity)
        where s.skipped is null group by 1, 2 order by 1
    loop
        execute format('select from %s where %2$I = any ($1) order by %2$I for no key update',
                       target.relation, target.key) using target.ids;
    end loop;
end
$$;
comment on function audit.lock_undone(audit.undo_step[]) is
    'Locks the rows that an undo will write, so that what it found of them holds.';

create or replace function audit.undo_alike(
    w audit.watched_tables, action text, ids bigint[], values_before jsonb[]
) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    key constant name := audit.key_column(w.relation);
    fields text;
    done bigint;
begin
    if action = 'CREATE' then
        execute format('delete from %s where %I = any ($1)', w.relation, key) using ids;
    elsif action = 'UPDATE' then
        fields := (select string_agg(format('%I', f), ', ' order by f) from jsonb_object_keys(values_before[1]) f);
        execute format(
            'update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, b.v)) '
            'from unnest($1, $2) b (id, v) where t.%3$I = b.id', w.relation, fields, key)
            using ids, values_before;
    else
        fields := (select string_agg(format('%I', c.name), ', ' order by c.attnum)
                   from jsonb_to_recordset(w.columns) c (attnum integer, name text)
                   where c.name <> all (audit.followed_columns(w)));
        execute format(
            'insert into %1$s (%2$s) overriding system value '
            'select %2$s from unnest($1) v, jsonb_populate_record(null::%1$s, v)', w.relation, fields)
            using values_before;
    end if;
    get diagnostics done = row_count;
    return done;
end
$$;
comment on function audit.undo_alike(audit.watched_tables, text, bigint[], jsonb[]) is
    'One statement for records of one table and action, that of updates with the same columns. Returns its rows.';

create or replace function audit.undo(transaction_id bigint, near timestamptz, record_id bigint default null)
returns table (undone bigint, skipped bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    steps audit.undo_step[];
    batch record;
begin
    steps := array(select s from audit.undo_steps(transaction_id, near, record_id) s);
    perform audit.lock_undone(steps);
    -- Looked at again, now that nobody else can change the rows.
    steps := array(select s from audit.undo_steps(transaction_id, near, record_id) s);
    undone := (select count(*) from unnest(steps) s where s.skipped is null);
    skipped := cardinality(steps) - undone;
    if undone = 0 then
        raise exception 'transaction % has nothing to undo', transaction_id
            using errcode = 'no_data_found', constraint = 'nothing_to_undo',
                  hint = 'It was undone already, or every row was changed since.';
    end if;

    -- Neighbours that are alike go in one statement; a row that comes twice gets what was there first.
    for batch in
        select a.entity, a.action, array_agg(a.entity_id) as ids, array_agg(a.old_values) as values_before
        from (select distinct on (g.nr, g.entity_id) g.*
              from (select s.*, sum(s.begins) over (order by s.place) as nr
                    from (select p.*, (row(p.entity, p.action, p.shape) is distinct from
                                       lag(row(p.entity, p.action, p.shape)) over (order by p.place))::integer as begins
                          from (select s.entity, s.action, s.entity_id, s.old_values, n as place,
                                       case when s.action = 'UPDATE'
                                            then array(select jsonb_object_keys(s.old_values)) end as shape
                                from unnest(steps) with ordinality s (
                                    record_id, entity, entity_id, parent_id, action, old_values, new_values, skipped, n)
                                where s.skipped is null) p) s) g
              order by g.nr, g.entity_id, g.place desc) a
        group by a.nr, a.entity, a.action order by a.nr
    loop
        perform audit.undo_alike(w, batch.action, batch.ids, batch.values_before)
        from audit.watched_tables w where w.entity = batch.entity;
    end loop;

    perform audit.write_activity(
        actor, 'UNDO', steps[1].entity, case when undone + skipped = 1 then steps[1].entity_id end,
        jsonb_strip_nulls(jsonb_build_object(
            'undid', transaction_id, 'undid_record', record_id, 'rows', undone, 'skipped', nullif(skipped, 0))));
    return next;
end
$$;
comment on function audit.undo(bigint, timestamptz, bigint) is
    'Undoes what a transaction near a time did, or one of its records, as the user of this transaction, and records '
    'UNDO with what it undid. Returns how many records it undid and how many it left because of undo_step.skipped.';

-- Rights ---------------------------------------------------------------------------------------

revoke all on function
    audit.followed_columns(audit.watched_tables), audit.require_undo_allowed(audit.actor, bigint, timestamptz),
    audit.undo_steps(bigint, timestamptz, bigint), audit.lock_undone(audit.undo_step[]),
    audit.undo_alike(audit.watched_tables, text, bigint[], jsonb[]), audit.undo(bigint, timestamptz, bigint)
from public;
grant execute on function audit.undo_steps(bigint, timestamptz, bigint), audit.undo(bigint, timestamptz, bigint)
to backstitch_admin, backstitch_manager;
