-- Backstitch: undo, from the trail.
--
-- A record, or all that one transaction did, is undone by the opposite statements in the opposite order:
-- what was created is deleted, what was deleted comes back with its id, what was updated gets its old values.
-- Only a run of deletions comes back in another order: tables before those that refer to them, because a foreign
-- key that cascades records what it took after what it took it from.
-- The triggers of the tables see these statements as they see any other, so they move the stock, ask for
-- reasons, refuse what breaks a rule, and put every row on the record again.
--
-- A row that was changed since is left as it is, and named; so is a row that others that stay refer to, and one that
-- would refer to what is gone. What an undo may touch is what its user may write: a definer function runs it, and
-- the triggers hold each statement against the right of the signed-in user (audit.require_right). Managers undo what
-- they did themselves, admins anything.
--
-- Limits. Only tables of the schema inventory that rows can be deleted from are undone. A column that no user may
-- write, the quantity of a stock cell, is not set back: it follows the movements, which are. A record with a column
-- that was renamed or dropped since, one without a column that needs a value, and one whose values are not kept in
-- the trail are left out, and named. Rules that triggers keep show only when they refuse: then nothing is undone.
-- A clock that was set back by more than twelve hours hides what was changed since.
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
    'A record that is to be undone, and why it is not (null: it is): changed_since, in_use (records that stay refer to '
    'it), reference_gone (what it refers to is gone), columns_changed, values_not_kept.';

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

create or replace function audit.required_columns(target regclass) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select a.attname::text from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped
            and a.attnotnull and not a.atthasdef and a.attidentity = '')
$$;
comment on function audit.required_columns(regclass) is 'Columns that a new row must be given a value for.';

create or replace function audit.unique_columns(target regclass) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select distinct a.attname::text
        from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum > 0
        where i.indrelid = target and i.indisunique
            and (a.attnum = any (i.indkey)
                 -- Of an expression the index says only that it depends on the column.
                 or exists (select from pg_depend d
                            where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                                and d.refobjid = i.indrelid and d.refobjsubid = a.attnum)))
$$;
comment on function audit.unique_columns(regclass) is 'Columns whose values two rows cannot swap in one statement.';

create or replace function audit.reference_depths() returns table (relation oid, depth integer)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with recursive reached (relation, depth) as (
        select w.relation::oid, 0 from audit.watched_tables w
        union
        -- The limit ends a circle of references.
        select f.conrelid, r.depth + 1
        from reached r join pg_constraint f on f.confrelid = r.relation
        where f.contype = 'f' and f.conrelid <> f.confrelid and r.depth < 20)
    select r.relation, max(r.depth) from reached r group by 1
$$;
comment on function audit.reference_depths() is
    'Tables by the length of their longest chain of references: a table comes after all that it refers to.';

create or replace function audit.require_undo_allowed(actor audit.actor, transaction_id bigint, near timestamptz)
returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if session_user = 'backstitch_app'
        and not accounts.is_admin()
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

create or replace function audit.undo_candidates(transaction_id bigint, near timestamptz, record_id bigint)
returns setof audit.undo_step
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The numbers of transactions start again after a restore, so only those within half a day.
    with asked as materialized (
        select audit.require_undo_allowed(audit.current_actor(), transaction_id, near)),
    tables as materialized (
        select w.entity, w.columns, w.redacted || w.personal as not_kept, audit.followed_columns(w) as followed,
               audit.required_columns(w.relation) as required, d.depth
        from audit.watched_tables w
        join pg_class c on c.oid = w.relation
        join audit.reference_depths() d on d.relation = w.relation
        where c.relnamespace = 'inventory'::regnamespace
            and has_table_privilege('backstitch_admin', w.relation, 'DELETE')),
    records as materialized (
        select r.*, t.columns, t.not_kept, t.followed, t.required, t.depth,
               array(select jsonb_object_keys(coalesce(r.old_values, r.new_values))) as fields
        from asked, audit.records r join tables t using (entity)
        where r.transaction_id = undo_candidates.transaction_id
            and r.recorded_at between near - interval '12 hours' and near + interval '12 hours'
            and (undo_candidates.record_id is null or r.id = undo_candidates.record_id)
            and r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')),
    steps as materialized (
        select r.*,
               case when not r.fields <@ array(select c.name from jsonb_to_recordset(r.columns) c (name text))
                        or r.action in ('DELETE', 'TRUNCATE') and not r.required <@ r.fields
                    then 'columns_changed'
                    when r.action <> 'CREATE' and r.fields && r.not_kept
                    then 'values_not_kept'
                    when exists (select from audit.records l
                                 where l.entity = r.entity and l.entity_id = r.entity_id
                                     -- The ids give the order. The time only spares the partitions of long ago,
                                     -- because a clock can be set back.
                                     and l.recorded_at >= r.recorded_at - interval '12 hours' and l.id > r.id
                                     and (l.transaction_id <> r.transaction_id or undo_candidates.record_id is not null)
                                     and l.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
                                     and (l.action <> 'UPDATE' or not l.new_values - r.followed = '{}')
                                     and (r.action <> 'UPDATE' or l.action <> 'UPDATE' or l.new_values ?| r.fields))
                    then 'changed_since' end as verdict
        from records r
        where r.action <> 'UPDATE' or not r.fields <@ r.followed)
    -- A row goes back as a whole, or not at all.
    select r.id, r.entity, r.entity_id, r.parent_id, r.action::text, r.old_values, r.new_values,
           max(r.verdict) over (partition by r.entity, r.entity_id)
    from (select s.*, sum((s.action in ('CREATE', 'UPDATE'))::integer) over (order by s.id desc) as run from steps s) r
    -- A run begins with what is no deletion.
    order by r.run, case when r.action in ('DELETE', 'TRUNCATE') then r.depth else -1 end, r.id desc
$$;
comment on function audit.undo_candidates(bigint, timestamptz, bigint) is
    'What audit.undo_steps returns, before anybody has looked at the references between rows.';

create or replace function audit.references_within(entities text[])
returns table (child audit.watched_tables, parent audit.watched_tables, child_columns text[], parent_columns text[],
               joined text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select c, p, k.child_columns, k.parent_columns, k.joined
    from pg_constraint f
    join audit.watched_tables c on c.relation = f.conrelid
    join audit.watched_tables p on p.relation = f.confrelid
    cross join lateral (
        select array_agg(ca.attname::text) as child_columns, array_agg(pa.attname::text) as parent_columns,
               string_agg(format('c.%I = p.%I', ca.attname, pa.attname), ' and ') as joined
        from unnest(f.conkey, f.confkey) n (child, parent)
        join pg_attribute ca on ca.attrelid = f.conrelid and ca.attnum = n.child
        join pg_attribute pa on pa.attrelid = f.confrelid and pa.attnum = n.parent) k
    where f.contype = 'f' and (c.entity = any (entities) or p.entity = any (entities))
$$;
comment on function audit.references_within(text[]) is
    'The foreign keys from and to the tables of these entities; joined compares rows c and p.';

create or replace function audit.rows_in_use(steps audit.undo_step[], ref record) returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return query execute format(
        'select p.%2$I::bigint from %1$s p join %3$s c on %5$s '
        'where p.%2$I in (select s.entity_id from unnest($1) s '
        '                 where s.entity = $2 and s.skipped is null '
        '                     and (s.action = ''CREATE'' or s.action = ''UPDATE'' and s.old_values ?| $4)) '
        -- Unless the row that refers to it goes, or is set back to another. `not in` hashes them, once.
        '    and c.%4$I not in (select s.entity_id from unnest($1) s '
        '                       where s.entity = $3 and s.skipped is null '
        '                           and (s.action = ''CREATE'' or s.action = ''UPDATE'' and s.old_values ?| $5))',
        (ref.parent).relation, audit.key_column((ref.parent).relation),
        (ref.child).relation, audit.key_column((ref.child).relation), ref.joined)
        using steps, (ref.parent).entity, (ref.child).entity, ref.parent_columns, ref.child_columns;
end
$$;
comment on function audit.rows_in_use(audit.undo_step[], record) is
    'Rows that an undo would delete, or give another key, while rows that stay refer to them by this foreign key.';

create or replace function audit.rows_left_dangling(steps audit.undo_step[], ref record) returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    -- Rows as they would be: what is there, if anything is, with the old values on top.
    put_back constant text :=
        '(select s.entity_id, v.* from unnest($1) s left join %1$s l on l.%2$I = s.entity_id '
        ' cross join lateral jsonb_populate_record(null::%1$s, coalesce(to_jsonb(l), ''{}'') || s.old_values) v '
        ' where s.entity = %3$L and s.skipped is null and s.action <> ''CREATE'' and s.old_values ?| %4$L::text[])';
begin
    return query execute format(
        'select c.entity_id from %1$s c where row(%2$s) is not null '
        'and not exists (select from %3$s p where %4$s) '
        -- `not in` hashes them, once.
        'and (%2$s) not in (select %5$s from %6$s p where row(%5$s) is not null)',
        format(put_back, (ref.child).relation, audit.key_column((ref.child).relation), (ref.child).entity,
               ref.child_columns),
        (select string_agg(format('c.%I', name), ', ') from unnest(ref.child_columns) name),
        (ref.parent).relation, ref.joined,
        (select string_agg(format('p.%I', name), ', ') from unnest(ref.parent_columns) name),
        format(put_back, (ref.parent).relation, audit.key_column((ref.parent).relation), (ref.parent).entity,
               ref.parent_columns))
        using steps;
end
$$;
comment on function audit.rows_left_dangling(audit.undo_step[], record) is
    'Rows that an undo would bring or set back, while what they refer to by this foreign key is gone.';

create or replace function audit.undo_steps(transaction_id bigint, near timestamptz, record_id bigint default null)
returns setof audit.undo_step
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    steps audit.undo_step[];
    held jsonb;
begin
    perform audit.require_execute('audit.undo_steps(bigint, timestamptz, bigint)');
    steps := array(select s from audit.undo_candidates(transaction_id, near, record_id) s);
    -- What stays can be what others refer to, so again until nothing more stays.
    loop
        select jsonb_object_agg(h.entity || ' ' || h.entity_id, h.verdict) into held
        from audit.references_within(array(select distinct s.entity from unnest(steps) s where s.skipped is null)) ref
        cross join lateral (
            select (ref.parent).entity, u, 'in_use' from audit.rows_in_use(steps, ref) u
            union all
            select (ref.child).entity, d, 'reference_gone' from audit.rows_left_dangling(steps, ref) d
        ) h (entity, entity_id, verdict);
        exit when held is null;
        steps := array(
            select (s.record_id, s.entity, s.entity_id, s.parent_id, s.action, s.old_values, s.new_values,
                    coalesce(s.skipped, held ->> (s.entity || ' ' || s.entity_id)))::audit.undo_step
            from unnest(steps) with ordinality s (
                record_id, entity, entity_id, parent_id, action, old_values, new_values, skipped, place)
            order by s.place);
    end loop;
    return query select * from unnest(steps);
end
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
        select w.relation, audit.key_column(w.relation) as key, array_agg(s.entity_id) as ids,
               -- A row that will go must not be referred to meanwhile; to others movements can refer all the time.
               case when bool_or(s.action = 'CREATE') then 'update' else 'no key update' end as strength
        from unnest(steps) s join audit.watched_tables w using (entity)
        where s.skipped is null group by 1, 2 order by 1
    loop
        execute format('select from %1$s where %2$I = any ($1) order by %2$I for %3$s',
                       target.relation, target.key, target.strength) using target.ids;
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
    -- Only what the record names, so that a column that is newer gets its default.
    fields constant text := (
        select string_agg(format('%I', f), ', ' order by f) from jsonb_object_keys(values_before[1]) f
        where f <> all (audit.followed_columns(w)));
    done bigint;
begin
    if action = 'CREATE' then
        execute format('delete from %s where %I = any ($1)', w.relation, key) using ids;
    elsif action = 'UPDATE' then
        execute format(
            'update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, b.v)) '
            'from unnest($1, $2) b (id, v) where t.%3$I = b.id', w.relation, fields, key)
            using ids, values_before;
    else
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
    'One statement for records of one table, action and set of columns. Returns its rows.';

create or replace function audit.undo_batches(steps audit.undo_step[])
returns table (entity text, action text, ids bigint[], values_before jsonb[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with tables as materialized (
        select w.entity, audit.unique_columns(w.relation) as unique_columns from audit.watched_tables w
        where w.entity in (select s.entity from unnest(steps) s)),
    places as (
        select s.*, t.unique_columns, array(select jsonb_object_keys(s.old_values)) as shape
        from unnest(steps) with ordinality s (
            record_id, entity, entity_id, parent_id, action, old_values, new_values, skipped, place)
        join tables t using (entity)
        where s.skipped is null),
    beginnings as (
        -- A value that must be unique is free again only once the row that took it has been set back.
        select p.*, (p.action = 'UPDATE' and p.shape && p.unique_columns
                     or row(p.entity, p.action, p.shape) is distinct from
                        lag(row(p.entity, p.action, p.shape)) over (order by p.place))::integer as begins
        from places p),
    numbered as (select b.*, sum(b.begins) over (order by b.place) as nr from beginnings b),
    -- A row that comes twice gets what was there first.
    first_values as (select distinct on (n.nr, n.entity_id) n.* from numbered n order by n.nr, n.entity_id, n.place desc)
    select f.entity, f.action, array_agg(f.entity_id), array_agg(f.old_values)
    from first_values f group by f.nr, f.entity, f.action order by f.nr
$$;
comment on function audit.undo_batches(audit.undo_step[]) is
    'The steps that are not skipped, neighbours that are alike together: each row is one statement of the undo.';

create or replace function audit.undo(transaction_id bigint, near timestamptz, record_id bigint default null)
returns table (undone bigint, skipped bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    steps audit.undo_step[];
    batch record;
begin
    -- A row that is not there cannot be locked: whoever would bring it back too waits, and then finds it there.
    perform pg_advisory_xact_lock(hashtextextended('audit.undo', transaction_id));
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

    for batch in
        select w as target, b.* from audit.undo_batches(steps) b join audit.watched_tables w using (entity)
    loop
        if audit.undo_alike(batch.target, batch.action, batch.ids, batch.values_before) <> cardinality(batch.ids) then
            raise exception 'undo of transaction % did not reach every row of %', transaction_id, batch.entity
                using errcode = 'serialization_failure', constraint = 'undo_every_row',
                      hint = 'The rows changed meanwhile, or a trigger keeps them. Look at the preview again.';
        end if;
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
    audit.followed_columns(audit.watched_tables), audit.required_columns(regclass), audit.unique_columns(regclass),
    audit.reference_depths(), audit.require_undo_allowed(audit.actor, bigint, timestamptz),
    audit.undo_candidates(bigint, timestamptz, bigint), audit.references_within(text[]),
    audit.rows_in_use(audit.undo_step[], record), audit.rows_left_dangling(audit.undo_step[], record),
    audit.undo_steps(bigint, timestamptz, bigint), audit.lock_undone(audit.undo_step[]),
    audit.undo_alike(audit.watched_tables, text, bigint[], jsonb[]), audit.undo_batches(audit.undo_step[]),
    audit.undo(bigint, timestamptz, bigint)
from public;
grant execute on function audit.undo_steps(bigint, timestamptz, bigint), audit.undo(bigint, timestamptz, bigint)
to backstitch_admin, backstitch_manager;
