-- Backstitch: undo, from the trail.
--
-- A record, or all that one transaction did, is undone by the opposite statements in the opposite order:
-- what was created is deleted, what was deleted comes back with its id, what was updated gets its old values.
-- Only a run of deletions, or of rows that went out of use, comes back in another order: tables before those that
-- refer to them, because what a row takes with it (by a foreign key that cascades, or a colour its cells) is recorded
-- after the row. Rows that came into use go out of it the other way round.
-- The triggers of the tables see these statements as they see any other, so they move the stock, ask for
-- reasons, refuse what breaks a rule, and put every row on the record again.
--
-- A row that was changed since is left as it is, and named; so is a row that others that stay refer to, one that
-- would refer to what is gone, one whose place another has taken, and one that a rule of the business lets nobody take
-- back (audit.rows_ruled_out). After all statements each row is held against what the trail says it was; a difference
-- refuses the undo. What an undo may touch is what its user may write: a definer function runs it, and
-- the triggers hold each statement against the right of the signed-in user (audit.require_right). Managers undo what
-- they did themselves, admins anything.
--
-- Limits. Only tables of the schema inventory that rows can be deleted from are undone. A column that no user may
-- write, the quantity of a stock cell, is not set back: it follows the movements, which are. A record with a column
-- that was renamed or dropped since, one without a column that needs a value, and one whose values are not kept in
-- the trail are left out, and named. The other rules that triggers keep show only when they refuse, and so does what
-- somebody writes at the same moment: then nothing is undone.
-- A clock that was set back by more than twelve hours hides what was changed since.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.derived_columns(w audit.watched_tables) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select c.name from jsonb_to_recordset(w.columns) c (name text)
        where c.name <> audit.key_column(w.relation)
            and not has_column_privilege('backstitch_admin', w.relation, c.name, 'INSERT')
            and not has_column_privilege('backstitch_admin', w.relation, c.name, 'UPDATE'))
$$;
comment on function audit.derived_columns(audit.watched_tables) is
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

create or replace function audit.unique_keys(target regclass)
returns table (columns text[], expressions text[], condition text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(select a.attname::text from pg_attribute a
                 where a.attrelid = i.indrelid and a.attnum > 0
                    and (a.attnum = any (i.indkey)
                         -- Of an expression the index says only that it depends on the column.
                         or exists (select from pg_depend d
                                    where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                                        and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))),
           array(select pg_get_indexdef(i.indexrelid, n, false) from generate_series(1, i.indnkeyatts) n order by n),
           coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
    from pg_index i where i.indrelid = target and i.indisunique and not i.indisprimary
$$;
comment on function audit.unique_keys(regclass) is
    'What must be unique but for the id: the columns it comes of, as expressions over a row, among rows that meet a '
    'condition.';

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

create or replace function audit.undo_records(transaction_id bigint, near timestamptz, record_id bigint)
returns table (step audit.undo_step, depth integer)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The numbers of transactions start again after a restore, so only those within half a day.
    with asked as materialized (
        select audit.require_undo_allowed(audit.current_actor(), transaction_id, near)),
    tables as materialized (
        select w.entity, w.columns, w.redacted || w.personal as not_kept, audit.derived_columns(w) as followed,
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
        where r.transaction_id = undo_records.transaction_id
            and r.recorded_at between near - interval '12 hours' and near + interval '12 hours'
            and (undo_records.record_id is null or r.id = undo_records.record_id)
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
                                     and (l.transaction_id <> r.transaction_id or undo_records.record_id is not null)
                                     and l.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
                                     and (l.action <> 'UPDATE' or not l.new_values - r.followed = '{}')
                                     and (r.action <> 'UPDATE' or l.action <> 'UPDATE' or l.new_values ?| r.fields))
                    then 'changed_since' end as verdict
        from records r
        where r.action <> 'UPDATE' or not r.fields <@ r.followed)
    -- A row goes back as a whole, or not at all.
    select (s.id, s.entity, s.entity_id, s.parent_id, s.action::text, s.old_values, s.new_values,
            max(s.verdict) over (partition by s.entity, s.entity_id))::audit.undo_step, s.depth
    from steps s
$$;
comment on function audit.undo_records(bigint, timestamptz, bigint) is
    'What a transaction changed, or one record of it: what audit.undo_steps returns, before anybody has looked at the '
    'references between rows, and in no order; with the depth of the table.';

create or replace function audit.undo_candidates(transaction_id bigint, near timestamptz, record_id bigint)
returns setof audit.undo_step
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with kinds as (
        select (r.step).*, r.depth, k.kind, lag(k.kind) over (order by (r.step).record_id desc) as kind_before
        from audit.undo_records(transaction_id, near, record_id) r
        cross join lateral (
            select case when (r.step).action in ('DELETE', 'TRUNCATE') then 'comes back'
                        when (r.step).action = 'UPDATE' and (r.step).old_values ? 'is_active' then 'is switched' end
        ) k (kind)),
    runs as (
        -- Neighbours of a kind are a run; what is of none is one by itself.
        select k.*, k.action = 'UPDATE' and k.old_values @> '{"is_active": false}' as goes_out,
               sum((k.kind is null or k.kind is distinct from k.kind_before)::integer)
                   over (order by k.record_id desc) as run
        from kinds k),
    turns as (
        -- A row that is switched to and fro is so in its order.
        select r.*, max(r.nth) over (partition by r.run order by r.record_id desc) as turn
        from (select r.*, row_number() over (partition by r.run, r.entity, r.entity_id
                                             order by r.record_id desc) as nth
              from runs r) r)
    select t.record_id, t.entity, t.entity_id, t.parent_id, t.action, t.old_values, t.new_values, t.skipped
    from turns t
    order by t.run, t.turn, t.goes_out, case when t.goes_out then -t.depth else t.depth end, t.record_id desc
$$;
comment on function audit.undo_candidates(bigint, timestamptz, bigint) is
    'The records of audit.undo_records in the order in which an undo takes them.';

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

create or replace function audit.undo_groups(steps audit.undo_step[]) returns audit.undo_group[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select row(g.entity, g.action, g.fields, array_agg(g.entity_id))::audit.undo_group
        from (select s.entity, s.action, s.entity_id,
                     case when s.action = 'UPDATE' then array(select jsonb_object_keys(s.old_values)) end as fields
              from unnest(steps) s where s.skipped is null) g
        group by g.entity, g.action, g.fields)
$$;
comment on function audit.undo_groups(audit.undo_step[]) is
    'The steps that are not skipped, as few groups: reading all steps takes long, and each reference asks about them.';

create or replace function audit.ids_in(groups audit.undo_group[], entity text, actions text[], columns text[])
returns bigint[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select unnest(g.ids) from unnest(groups) g
        where g.entity = ids_in.entity and g.action = any (actions)
            and (g.action <> 'UPDATE' or g.fields && columns))
$$;
comment on function audit.ids_in(audit.undo_group[], text, text[], text[]) is
    'The rows of an entity that an undo writes by these actions; by an update only if it is of one of these columns.';

create or replace function audit.rows_in_use(groups audit.undo_group[], ref record) returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    leaving constant bigint[] := audit.ids_in(groups, (ref.parent).entity, '{CREATE,UPDATE}', ref.parent_columns);
begin
    if leaving = '{}' then
        return;
    end if;
    return query execute format(
        'select p.%2$I::bigint from %1$s p join %3$s c on %5$s where p.%2$I = any ($1) '
        -- Unless the row that refers to it goes, or is set back to another. `not in` hashes them, once.
        'and c.%4$I not in (select unnest($2))',
        (ref.parent).relation, audit.key_column((ref.parent).relation),
        (ref.child).relation, audit.key_column((ref.child).relation), ref.joined)
        using leaving, audit.ids_in(groups, (ref.child).entity, '{CREATE,UPDATE}', ref.child_columns);
end
$$;
comment on function audit.rows_in_use(audit.undo_group[], record) is
    'Rows that an undo would delete, or give another key, while rows that stay refer to them by this foreign key.';

create or replace function audit.put_back(w audit.watched_tables, columns text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select format(
        '(select s.entity_id, v.* from unnest($1) s left join %1$s l on l.%2$I = s.entity_id '
        ' cross join lateral jsonb_populate_record(null::%1$s, coalesce(to_jsonb(l), ''{}'') || s.old_values) v '
        ' where s.entity = %3$L and s.skipped is null and s.action <> ''CREATE'' and s.old_values ?| %4$L::text[])',
        w.relation, audit.key_column(w.relation), w.entity, columns)
$$;
comment on function audit.put_back(audit.watched_tables, text[]) is
    'The rows that an undo of the steps $1 would bring or set back in one of these columns, as SQL: entity_id and the '
    'columns of the table; what is there, if anything is, with the old values on top.';

create or replace function audit.rows_left_dangling(steps audit.undo_step[], groups audit.undo_group[], ref record)
returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if audit.ids_in(groups, (ref.child).entity, '{UPDATE,DELETE,TRUNCATE}', ref.child_columns) = '{}' then
        return;
    end if;
    return query execute format(
        'select c.entity_id from %1$s c where row(%2$s) is not null '
        'and not exists (select from %3$s p where %4$s) '
        -- `not in` hashes them, once.
        'and (%2$s) not in (select %5$s from %6$s p where row(%5$s) is not null)',
        audit.put_back(ref.child, ref.child_columns),
        (select string_agg(format('c.%I', name), ', ') from unnest(ref.child_columns) name),
        (ref.parent).relation, ref.joined,
        (select string_agg(format('p.%I', name), ', ') from unnest(ref.parent_columns) name),
        audit.put_back(ref.parent, ref.parent_columns))
        using steps;
end
$$;
comment on function audit.rows_left_dangling(audit.undo_step[], audit.undo_group[], record) is
    'Rows that an undo would bring or set back, while what they refer to by this foreign key is gone.';

create or replace function audit.rows_taken(steps audit.undo_step[], groups audit.undo_group[])
returns table (entity text, entity_id bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    place record;
begin
    for place in
        select w as target, audit.key_column(w.relation) as key, k.*
        from audit.watched_tables w cross join lateral audit.unique_keys(w.relation) k
        where w.entity in (select g.entity from unnest(groups) g)
            and audit.ids_in(groups, w.entity, '{UPDATE,DELETE,TRUNCATE}', k.columns) <> '{}'
    loop
        return query execute format(
            'select %1$L::text, b.entity_id from (select entity_id, %2$s from %3$s v where %4$s) b '
            'join (select %5$I as id, %2$s from %6$s where %4$s) t using (%7$s) '
            -- Whoever has it now goes, or goes back, or is the row itself.
            'where t.id <> b.entity_id and t.id not in (select unnest($2))',
            (place.target).entity,
            (select string_agg(format('%s as k%s', e, n), ', ' order by n)
             from unnest(place.expressions) with ordinality k (e, n)),
            audit.put_back(place.target, place.columns), place.condition, place.key, (place.target).relation,
            (select string_agg('k' || n, ', ') from generate_subscripts(place.expressions, 1) n))
            using steps, audit.ids_in(groups, (place.target).entity, '{CREATE,UPDATE}', place.columns);
    end loop;
end
$$;
comment on function audit.rows_taken(audit.undo_step[], audit.undo_group[]) is
    'Rows that an undo would bring or set back, while another row has the values that must be unique.';

create or replace function audit.rows_ruled_out(steps audit.undo_step[])
returns table (entity text, entity_id bigint, verdict text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with ruled as materialized (
        select s.* from unnest(steps) s
        where s.entity in ('Order', 'OrderLine', 'SalesLog', 'ProductColor', 'ProductColorStock')),
    going as materialized (select r.* from ruled r where r.skipped is null)
    -- inventory.check_order: neither a status goes back, nor what a number or a dispatch has fixed.
    select g.entity, g.entity_id, 'no_way_back'
    from going g left join inventory.orders o on o.id = g.entity_id
    where g.entity = 'Order' and g.action = 'UPDATE'
        and (g.old_values ? 'status'
             or g.old_values ? 'financial_year' and o.status <> 'draft'
             or g.old_values ?| '{date,customer_id,agency_id,dispatch_date}' and o.status not in ('draft', 'confirmed'))
    union all
    select g.entity, g.entity_id, 'no_way_back'
    from going g join inventory.orders o on o.id = g.parent_id
    where g.entity = 'OrderLine' and o.status not in ('draft', 'confirmed')
    union all
    -- inventory.keep_sale_of_order.
    select g.entity, g.entity_id, 'no_way_back' from going g
    where g.entity = 'SalesLog' and coalesce(g.old_values ->> 'order_id', g.new_values ->> 'order_id') is not null
    union all
    -- An order that was taken or confirmed with lines is not left without them.
    select g.entity, g.entity_id, 'order_stays'
    from going g join ruled r on r.entity_id = g.parent_id
    where g.entity = 'OrderLine' and g.action = 'CREATE'
        and r.entity = 'Order' and r.skipped is not null and (r.action = 'CREATE' or r.old_values ? 'status')
    union all
    -- inventory.follow_own_colour.
    select g.entity, g.entity_id, 'colour_out_of_use'
    from going g left join inventory.product_color_stocks s on s.id = g.entity_id
    join inventory.product_colors c
        on c.product_id = coalesce((g.old_values ->> 'product_id')::bigint, s.product_id)
            and c.colour_code = coalesce(g.old_values ->> 'colour_code', s.colour_code)
    where g.entity = 'ProductColorStock' and g.old_values @> '{"is_active": true}' and not c.is_active
        and c.id not in (select own.entity_id from going own
                         where own.entity = 'ProductColor' and own.old_values @> '{"is_active": true}')
    union all
    -- inventory.follow_colour would take along what the undo does not name.
    select g.entity, g.entity_id, 'in_use'
    from going g join inventory.product_colors c on c.id = g.entity_id
    join inventory.product_color_stocks s on (s.product_id, s.colour_code) = (c.product_id, c.colour_code)
    where g.entity = 'ProductColor' and g.old_values @> '{"is_active": false}' and s.is_active
        and s.id not in (select cell.entity_id from going cell
                         where cell.entity = 'ProductColorStock'
                            and (cell.action = 'CREATE' or cell.old_values @> '{"is_active": false}'))
$$;
comment on function audit.rows_ruled_out(audit.undo_step[]) is
    'Rows that a rule of the inventory keeps as they are: what its triggers would refuse, or take along.';

create or replace function audit.rows_held(steps audit.undo_step[]) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    groups constant audit.undo_group[] := audit.undo_groups(steps);
    held jsonb;
begin
    -- Of two reasons the business's own says more.
    select jsonb_object_agg(h.entity || ' ' || h.entity_id, h.verdict order by h.own) into held
    from (select r.entity, r.entity_id, r.verdict, true from audit.rows_ruled_out(steps) r
          union all
          select t.entity, t.entity_id, 'taken', false from audit.rows_taken(steps, groups) t
          union all
          select f.*, false
          from audit.references_within(array(select distinct g.entity from unnest(groups) g)) ref
          cross join lateral (
              select (ref.parent).entity, u, 'in_use' from audit.rows_in_use(groups, ref) u
              union all
              select (ref.child).entity, d, 'reference_gone' from audit.rows_left_dangling(steps, groups, ref) d) f
         ) h (entity, entity_id, verdict, own);
    return held;
end
$$;
comment on function audit.rows_held(audit.undo_step[]) is
    'Why rows of steps that are not skipped yet must be, by entity and id; null: none must.';

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
        held := audit.rows_held(steps);
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
        select w.relation, audit.key_column(w.relation) as key, u.ids,
               -- A row that will go must not be referred to meanwhile; to others movements can refer all the time.
               case when u.some_go then 'update' else 'no key update' end as strength
        from (select s.entity, array_agg(s.entity_id) as ids, bool_or(s.action = 'CREATE') as some_go
              from unnest(steps) s where s.skipped is null group by 1) u
        join audit.watched_tables w using (entity) order by 1
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
        where f <> all (audit.derived_columns(w)));
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
        select w.entity, array(select unnest(k.columns) from audit.unique_keys(w.relation) k) as unique_columns
        from audit.watched_tables w where w.entity in (select s.entity from unnest(steps) s)),
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

create or replace aggregate audit.overlaid(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');
comment on aggregate audit.overlaid(jsonb) is 'One object of several: of a field that comes twice, the later value.';

create or replace function audit.require_put_back(steps audit.undo_step[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    target record;
    different bigint;
begin
    for target in
        select w.entity, w.relation, audit.key_column(w.relation) as key, audit.derived_columns(w) as followed,
               u.ids, u.wanted
        from (select r.entity, array_agg(r.entity_id) as ids, array_agg(r.wanted) as wanted
              from (select s.entity, s.entity_id, audit.overlaid(s.old_values order by s.record_id desc) as wanted
                    from unnest(steps) s where s.skipped is null
                    group by 1, 2
                    -- Of a row that the transaction created, nothing is wanted.
                    having min(s.record_id) filter (where s.action = 'CREATE') is distinct from min(s.record_id)) r
              group by 1) u
        join audit.watched_tables w using (entity)
    loop
        execute format(
            'select b.id from unnest($1, $2) b (id, wanted) left join %1$s t on t.%2$I = b.id '
            'where t.%2$I is null or jsonb_populate_record(t, b.wanted - $3) *<> t limit 1',
            target.relation, target.key) into different using target.ids, target.wanted, target.followed;
        if different is not null then
            raise exception 'undo would leave % % other than it was', target.entity, different
                using errcode = 'integrity_constraint_violation', constraint = 'undo_as_it_was',
                      hint = 'A rule of its table changes it.';
        end if;
    end loop;
end
$$;
comment on function audit.require_put_back(audit.undo_step[]) is
    'Refuses an undo after which a row is not what the trail says it was, in the columns that users write.';

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

    -- What goes with a row is among the steps: triggers that would bring it back by themselves leave it to them.
    perform set_config('backstitch.undoing', 'on', true);
    for batch in
        select w as target, b.* from audit.undo_batches(steps) b join audit.watched_tables w using (entity)
    loop
        if audit.undo_alike(batch.target, batch.action, batch.ids, batch.values_before) <> cardinality(batch.ids) then
            raise exception 'undo of transaction % did not reach every row of %', transaction_id, batch.entity
                using errcode = 'serialization_failure', constraint = 'undo_every_row',
                      hint = 'The rows changed meanwhile, or a trigger keeps them. Look at the preview again.';
        end if;
    end loop;
    perform set_config('backstitch.undoing', '', true);
    perform audit.require_put_back(steps);

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
