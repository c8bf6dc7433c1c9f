-- Backstitch: undo of a record, or of a whole transaction, from the trail.
--
-- Contract. audit.undo_steps(transaction, near a time, record) previews an undo; audit.undo runs it and records UNDO. A
-- created row is deleted, a deleted row is inserted again with its id, an updated row gets its old values. The triggers
-- of the tables see these statements as any others: they move stock, ask for reasons, enforce rules and write records.
--
-- Order. Steps run from the newest record to the oldest. Two kinds of runs are the exception, because what a row takes
-- along (rows of a cascading foreign key, cells of a colour) is recorded after the row: a run of deletions, or of rows
-- taken out of use, comes back with referenced tables first; rows taken into use go out of it with referenced tables
-- last.
--
-- Skipped. A row is left as it is, and the step says why (audit.undo_step.skipped), if it was changed since, if rows
-- that stay refer to it, if it would refer to a missing row, if another row has its unique values, or if a rule of the
-- inventory does not allow it (audit.rows_kept_by_rules). After all statements each row is compared with the trail; a
-- difference refuses the whole undo.
--
-- Rights. audit.undo is a definer function, but the triggers check each of its statements against the right of the
-- signed-in user (audit.require_right). So an undo can write only what its user can write. Managers undo their own
-- transactions, admins any.
--
-- Locks. One undo of a transaction at a time (an advisory lock). The rows to undo are locked in the order in which
-- other statements lock them, then the steps are computed again.
--
-- Limits.
--   * Only tables of the schema inventory whose rows users can delete are undone.
--   * A column that no user may write (the quantity of a stock cell) is not set back: triggers derive it.
--   * A record is skipped if it has a column that was renamed or dropped since, if it lacks a column that a new row
--     needs, or if the trail does not keep its values: a redacted column, an erased personal value, or one that does
--     not match its commitment.
--   * Any other rule of a trigger, and a concurrent change, shows only when it refuses; then nothing is undone.
--   * Changes made after the clock was set back by more than twelve hours are not seen as later changes.
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
    'Returns the columns that not even an admin may write. Triggers derive them, so an undo does not set them back.';

create or replace function audit.required_columns(target regclass) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select a.attname::text from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped
            and a.attnotnull and not a.atthasdef and a.attidentity = '')
$$;
comment on function audit.required_columns(regclass) is
    'Returns the columns for which an insert must give a value.';

create or replace function audit.unique_keys(target regclass)
returns table (columns text[], expressions text[], condition text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(select a.attname::text from pg_attribute a
                 where a.attrelid = i.indrelid and a.attnum > 0
                    and (a.attnum = any (i.indkey)
                         -- The columns of an expression are known only as dependencies of the index.
                         or exists (select from pg_depend d
                                    where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                                        and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))),
           array(select pg_get_indexdef(i.indexrelid, n, false) from generate_series(1, i.indnkeyatts) n order by n),
           coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
    from pg_index i where i.indrelid = target and i.indisunique and not i.indisprimary
$$;
comment on function audit.unique_keys(regclass) is
    'Returns the unique indexes of a table apart from the primary key: the columns they depend on, their expressions '
    'over a row, and the condition that limits them to some rows.';

create or replace function audit.reference_depths() returns table (relation oid, depth integer)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with recursive reached (relation, depth) as (
        select w.relation::oid, 0 from audit.watched_tables w
        union
        -- The limit ends a cycle of references.
        select f.conrelid, r.depth + 1
        from reached r join pg_constraint f on f.confrelid = r.relation
        where f.contype = 'f' and f.conrelid <> f.confrelid and r.depth < 20)
    select r.relation, max(r.depth) from reached r group by 1
$$;
comment on function audit.reference_depths() is
    'Returns the length of the longest chain of foreign keys from each table to a watched one: a table is deeper than '
    'every table to which it refers.';

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
    'Refuses the undo of another user''s transaction, except to admins and to logins other than the application''s.';

create or replace function audit.undoable_tables()
returns table (entity text, columns text[], redacted text[], has_personal boolean, derived text[], required text[],
               depth integer)
language sql stable rows 20 set search_path = pg_catalog, pg_temp
as $$
    select w.entity, array(select c.name from jsonb_to_recordset(w.columns) c (name text)), w.redacted,
           w.personal <> '{}', audit.derived_columns(w), audit.required_columns(w.relation), d.depth
    from audit.watched_tables w
    join pg_class c on c.oid = w.relation
    join audit.reference_depths() d on d.relation = w.relation
    where c.relnamespace = 'inventory'::regnamespace
        and has_table_privilege('backstitch_admin', w.relation, 'DELETE')
$$;
comment on function audit.undoable_tables() is
    'Returns the tables whose records can be undone, with their columns: all, those whose values never enter the trail, '
    'whether some are personal, those that triggers derive and those that an insert needs.';

create or replace function audit.undo_records(transaction_id bigint, near timestamptz, record_id bigint)
returns table (step audit.undo_step, depth integer)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- Transaction numbers start again after a restore into another server, so the time has to be near as well.
    with allowed as materialized (
        select audit.require_undo_allowed(audit.current_actor(), transaction_id, near)),
    tables as materialized (select t.* from audit.undoable_tables() t),
    records as materialized (
        select r.*, t.columns, t.redacted, t.has_personal, t.derived, t.required, t.depth,
               array(select jsonb_object_keys(coalesce(r.old_values, r.new_values))) as fields
        from allowed, audit.records r join tables t using (entity)
        where r.transaction_id = undo_records.transaction_id
            and r.recorded_at between near - interval '12 hours' and near + interval '12 hours'
            and (undo_records.record_id is null or r.id = undo_records.record_id)
            and r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')),
    steps as materialized (
        select r.*,
               case when not r.fields <@ r.columns
                        or r.action in ('DELETE', 'TRUNCATE') and not r.required <@ r.fields
                    then 'columns_changed'
                    when r.action <> 'CREATE'
                        and (r.fields && r.redacted or r.has_personal and not audit.values_kept(r.old_values))
                    then 'values_not_kept'
                    when exists (select from audit.records l
                                 where l.entity = r.entity and l.entity_id = r.entity_id
                                     -- Ids give the order. The time only excludes older partitions; it leaves
                                     -- twelve hours, because a clock can be set back.
                                     and l.recorded_at >= r.recorded_at - interval '12 hours' and l.id > r.id
                                     and (l.transaction_id <> r.transaction_id or undo_records.record_id is not null)
                                     and l.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
                                     and (l.action <> 'UPDATE' or not l.new_values - r.derived = '{}')
                                     and (r.action <> 'UPDATE' or l.action <> 'UPDATE' or l.new_values ?| r.fields))
                    then 'changed_since' end as verdict
        from records r
        where r.action <> 'UPDATE' or not r.fields <@ r.derived)
    -- All records of a row are undone, or none.
    select (s.id, s.entity, s.entity_id, s.parent_id, s.action::text,
            case when s.has_personal then audit.revealed(s.old_values) else s.old_values end,
            case when s.has_personal then audit.revealed(s.new_values) else s.new_values end,
            max(s.verdict) over (partition by s.entity, s.entity_id))::audit.undo_step, s.depth
    from steps s
$$;
comment on function audit.undo_records(bigint, timestamptz, bigint) is
    'Returns the steps of an undo in no order, with personal values in place of references, each with the depth of its '
    'table, skipped only for what its own row says: changed_since, columns_changed, values_not_kept.';

create or replace function audit.undo_candidates(transaction_id bigint, near timestamptz, record_id bigint)
returns setof audit.undo_step
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with kinds as (
        select (r.step).*, r.depth, k.kind, lag(k.kind) over (order by (r.step).record_id desc) as kind_before
        from audit.undo_records(transaction_id, near, record_id) r
        cross join lateral (
            select case when (r.step).action in ('DELETE', 'TRUNCATE') then 'insert'
                        when (r.step).action = 'UPDATE' and (r.step).old_values ? 'is_active' then 'switch' end
        ) k (kind)),
    runs as (
        -- Neighbours of the same kind are a run; a step of no kind is a run by itself.
        select k.*, k.action = 'UPDATE' and k.old_values @> '{"is_active": false}' as switches_off,
               sum((k.kind is null or k.kind is distinct from k.kind_before)::integer)
                   over (order by k.record_id desc) as run
        from kinds k),
    turns as (
        -- A row that is switched several times keeps the order of its own steps.
        select r.*, max(r.nth) over (partition by r.run order by r.record_id desc) as turn
        from (select r.*, row_number() over (partition by r.run, r.entity, r.entity_id
                                             order by r.record_id desc) as nth
              from runs r) r)
    select t.record_id, t.entity, t.entity_id, t.parent_id, t.action, t.old_values, t.new_values, t.skipped
    from turns t
    order by t.run, t.turn, t.switches_off, case when t.switches_off then -t.depth else t.depth end, t.record_id desc
$$;
comment on function audit.undo_candidates(bigint, timestamptz, bigint) is
    'Returns the steps of audit.undo_records in the order in which an undo runs them.';

create or replace function audit.foreign_keys_of(entities text[])
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
comment on function audit.foreign_keys_of(text[]) is
    'Returns the foreign keys from and to the tables of these entities. joined is SQL that joins row c of the child to '
    'row p of the parent.';

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
    'Returns the steps that are not skipped as few groups, because every foreign key asks about them and reading all '
    'steps takes long.';

create or replace function audit.ids_written(groups audit.undo_group[], entity text, actions text[], columns text[])
returns bigint[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select unnest(g.ids) from unnest(groups) g
        where g.entity = ids_written.entity and g.action = any (actions)
            and (g.action <> 'UPDATE' or g.fields && columns))
$$;
comment on function audit.ids_written(audit.undo_group[], text, text[], text[]) is
    'Returns the ids of the rows of an entity that an undo writes by these actions; of updates, those of these '
    'columns.';

create or replace function audit.rows_in_use(groups audit.undo_group[], ref record) returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    removed constant bigint[] := audit.ids_written(groups, (ref.parent).entity, '{CREATE,UPDATE}', ref.parent_columns);
begin
    if removed = '{}' then
        return;
    end if;
    return query execute format(
        'select p.%2$I::bigint from %1$s p join %3$s c on %5$s where p.%2$I = any ($1) '
        -- Unless the undo deletes the referring row or sets it back to another one. `not in` hashes the ids once.
        'and c.%4$I not in (select unnest($2))',
        (ref.parent).relation, audit.key_column((ref.parent).relation),
        (ref.child).relation, audit.key_column((ref.child).relation), ref.joined)
        using removed, audit.ids_written(groups, (ref.child).entity, '{CREATE,UPDATE}', ref.child_columns);
end
$$;
comment on function audit.rows_in_use(audit.undo_group[], record) is
    'Returns the rows that an undo would delete, or give another key, while rows that stay refer to them by this '
    'foreign key.';

create or replace function audit.restored_rows_source(w audit.watched_tables, columns text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select format(
        '(select s.entity_id, v.* from unnest($1) s left join %1$s l on l.%2$I = s.entity_id '
        ' cross join lateral jsonb_populate_record(null::%1$s, coalesce(to_jsonb(l), ''{}'') || s.old_values) v '
        ' where s.entity = %3$L and s.skipped is null and s.action <> ''CREATE'' and s.old_values ?| %4$L::text[])',
        w.relation, audit.key_column(w.relation), w.entity, columns)
$$;
comment on function audit.restored_rows_source(audit.watched_tables, text[]) is
    'Returns SQL for the rows that an undo of the steps $1 would insert again, or update in one of these columns, as '
    'they would be then: entity_id and the columns of the table.';

create or replace function audit.rows_without_reference(steps audit.undo_step[], groups audit.undo_group[], ref record)
returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if audit.ids_written(groups, (ref.child).entity, '{UPDATE,DELETE,TRUNCATE}', ref.child_columns) = '{}' then
        return;
    end if;
    return query execute format(
        'select c.entity_id from %1$s c where row(%2$s) is not null '
        'and not exists (select from %3$s p where %4$s) '
        -- `not in` hashes the rows once.
        'and (%2$s) not in (select %5$s from %6$s p where row(%5$s) is not null)',
        audit.restored_rows_source(ref.child, ref.child_columns),
        (select string_agg(format('c.%I', name), ', ') from unnest(ref.child_columns) name),
        (ref.parent).relation, ref.joined,
        (select string_agg(format('p.%I', name), ', ') from unnest(ref.parent_columns) name),
        audit.restored_rows_source(ref.parent, ref.parent_columns))
        using steps;
end
$$;
comment on function audit.rows_without_reference(audit.undo_step[], audit.undo_group[], record) is
    'Returns the rows that an undo would insert again or update, while the row to which they would refer by this '
    'foreign key does not exist.';

create or replace function audit.rows_not_unique(steps audit.undo_step[], groups audit.undo_group[])
returns table (entity text, entity_id bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    unique_key record;
begin
    for unique_key in
        select w as target, audit.key_column(w.relation) as key, k.*
        from audit.watched_tables w cross join lateral audit.unique_keys(w.relation) k
        where w.entity in (select g.entity from unnest(groups) g)
            and audit.ids_written(groups, w.entity, '{UPDATE,DELETE,TRUNCATE}', k.columns) <> '{}'
    loop
        return query execute format(
            'select %1$L::text, b.entity_id from (select entity_id, %2$s from %3$s v where %4$s) b '
            'join (select %5$I as id, %2$s from %6$s where %4$s) t using (%7$s) '
            -- Unless the undo deletes or updates the row that has the values now, or it is the row itself.
            'where t.id <> b.entity_id and t.id not in (select unnest($2))',
            (unique_key.target).entity,
            (select string_agg(format('%s as k%s', e, n), ', ' order by n)
             from unnest(unique_key.expressions) with ordinality k (e, n)),
            audit.restored_rows_source(unique_key.target, unique_key.columns), unique_key.condition, unique_key.key,
            (unique_key.target).relation,
            (select string_agg('k' || n, ', ') from generate_subscripts(unique_key.expressions, 1) n))
            using steps, audit.ids_written(groups, (unique_key.target).entity, '{CREATE,UPDATE}', unique_key.columns);
    end loop;
end
$$;
comment on function audit.rows_not_unique(audit.undo_step[], audit.undo_group[]) is
    'Returns the rows that an undo would insert again or update, while another row has their unique values.';

create or replace function audit.rows_kept_by_rules(steps audit.undo_step[])
returns table (entity text, entity_id bigint, verdict text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with ruled as materialized (
        select s.* from unnest(steps) s
        where s.entity in ('Order', 'OrderLine', 'SalesLog', 'ProductColor', 'ProductColorStock')),
    going as materialized (select r.* from ruled r where r.skipped is null)
    -- inventory.check_order: no status goes back, and a number or a dispatch fixes some fields.
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
    -- inventory.check_order_lines: an order keeps the lines with which it was created or confirmed.
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
    -- inventory.follow_colour would take cells out of use that are not among the steps.
    select g.entity, g.entity_id, 'in_use'
    from going g join inventory.product_colors c on c.id = g.entity_id
    join inventory.product_color_stocks s on (s.product_id, s.colour_code) = (c.product_id, c.colour_code)
    where g.entity = 'ProductColor' and g.old_values @> '{"is_active": false}' and s.is_active
        and s.id not in (select cell.entity_id from going cell
                         where cell.entity = 'ProductColorStock'
                            and (cell.action = 'CREATE' or cell.old_values @> '{"is_active": false}'))
$$;
comment on function audit.rows_kept_by_rules(audit.undo_step[]) is
    'Returns the rows that rules of the inventory keep as they are: its triggers would refuse the change, or would '
    'change more rows than the undo names.';

create or replace function audit.reasons_to_skip(steps audit.undo_step[]) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    groups constant audit.undo_group[] := audit.undo_groups(steps);
    reasons jsonb;
begin
    -- A rule of the inventory says more than a reference, so it comes last and wins.
    select jsonb_object_agg(h.entity || ' ' || h.entity_id, h.verdict order by h.is_rule) into reasons
    from (select r.entity, r.entity_id, r.verdict, true from audit.rows_kept_by_rules(steps) r
          union all
          select t.entity, t.entity_id, 'taken', false from audit.rows_not_unique(steps, groups) t
          union all
          select f.*, false
          from audit.foreign_keys_of(array(select distinct g.entity from unnest(groups) g)) ref
          cross join lateral (
              select (ref.parent).entity, u, 'in_use' from audit.rows_in_use(groups, ref) u
              union all
              select (ref.child).entity, d, 'reference_gone' from audit.rows_without_reference(steps, groups, ref) d) f
         ) h (entity, entity_id, verdict, is_rule);
    return reasons;
end
$$;
comment on function audit.reasons_to_skip(audit.undo_step[]) is
    'Returns why further rows must be skipped, as {"entity id": reason}; null if none must.';

create or replace function audit.undo_steps(transaction_id bigint, near timestamptz, record_id bigint default null)
returns setof audit.undo_step
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    steps audit.undo_step[];
    reasons jsonb;
begin
    perform audit.require_execute('audit.undo_steps(bigint, timestamptz, bigint)');
    steps := array(select s from audit.undo_candidates(transaction_id, near, record_id) s);
    -- A skipped row can be one to which others refer, so this repeats until no further row is skipped.
    loop
        reasons := audit.reasons_to_skip(steps);
        exit when reasons is null;
        steps := array(
            select (s.record_id, s.entity, s.entity_id, s.parent_id, s.action, s.old_values, s.new_values,
                    coalesce(s.skipped, reasons ->> (s.entity || ' ' || s.entity_id)))::audit.undo_step
            from unnest(steps) with ordinality s (
                record_id, entity, entity_id, parent_id, action, old_values, new_values, skipped, position)
            order by s.position);
    end loop;
    return query select * from unnest(steps);
end
$$;
comment on function audit.undo_steps(bigint, timestamptz, bigint) is
    'Returns the preview of an undo: the records of a transaction near a time, or one of them, in the order in which '
    'the undo runs them, each with the reason why it is skipped or null. Changes nothing.';

create or replace function audit.lock_rows_to_undo(steps audit.undo_step[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    target record;
begin
    -- In the order in which statements touch the tables, and by key within each.
    for target in
        select w.relation, audit.key_column(w.relation) as key, u.ids,
               -- FOR UPDATE on a row to delete, because nobody may come to refer to it. Other rows get NO KEY UPDATE,
               -- which lets movements go on referring to them.
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
comment on function audit.lock_rows_to_undo(audit.undo_step[]) is
    'Locks the rows that an undo is about to write, so that its steps stay right.';

create or replace function audit.undo_batch(
    w audit.watched_tables, action text, ids bigint[], values_before jsonb[]
) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    key constant name := audit.key_column(w.relation);
    -- Only the columns of the record, so that a newer column gets its default.
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
comment on function audit.undo_batch(audit.watched_tables, text, bigint[], jsonb[]) is
    'Runs one statement that undoes steps of one table, one action and one set of columns. Returns how many rows it '
    'wrote.';

create or replace function audit.undo_batches(steps audit.undo_step[])
returns table (entity text, action text, ids bigint[], values_before jsonb[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with tables as materialized (
        select w.entity, array(select unnest(k.columns) from audit.unique_keys(w.relation) k) as unique_columns
        from audit.watched_tables w where w.entity in (select s.entity from unnest(steps) s)),
    positioned as (
        select s.*, t.unique_columns, array(select jsonb_object_keys(s.old_values)) as fields
        from unnest(steps) with ordinality s (
            record_id, entity, entity_id, parent_id, action, old_values, new_values, skipped, position)
        join tables t using (entity)
        where s.skipped is null),
    beginnings as (
        -- An update of a unique column is a batch by itself: its value is free only once the row that took it is set
        -- back.
        select p.*, (p.action = 'UPDATE' and p.fields && p.unique_columns
                     or row(p.entity, p.action, p.fields) is distinct from
                        lag(row(p.entity, p.action, p.fields)) over (order by p.position))::integer as begins
        from positioned p),
    numbered as (select b.*, sum(b.begins) over (order by b.position) as batch from beginnings b),
    -- A row that comes several times in a batch gets its oldest values.
    oldest as (
        select distinct on (n.batch, n.entity_id) n.* from numbered n order by n.batch, n.entity_id, n.position desc)
    select o.entity, o.action, array_agg(o.entity_id), array_agg(o.old_values)
    from oldest o group by o.batch, o.entity, o.action order by o.batch
$$;
comment on function audit.undo_batches(audit.undo_step[]) is
    'Returns the steps that are not skipped in batches, a row per statement of the undo: neighbours of the same '
    'entity, action and fields.';

create or replace aggregate audit.jsonb_concat_agg(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');
comment on aggregate audit.jsonb_concat_agg(jsonb) is
    'Returns the concatenation of objects; of a key that comes several times, the last value.';

create or replace function audit.require_restored(steps audit.undo_step[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    target record;
    different bigint;
begin
    for target in
        select w.entity, w.relation, audit.key_column(w.relation) as key, audit.derived_columns(w) as derived,
               u.ids, u.wanted
        from (select r.entity, array_agg(r.entity_id) as ids, array_agg(r.wanted) as wanted
              from (select s.entity, s.entity_id,
                           audit.jsonb_concat_agg(s.old_values order by s.record_id desc) as wanted
                    from unnest(steps) s where s.skipped is null
                    group by 1, 2
                    -- Not the rows that the transaction created: they are deleted.
                    having min(s.record_id) filter (where s.action = 'CREATE') is distinct from min(s.record_id)) r
              group by 1) u
        join audit.watched_tables w using (entity)
    loop
        execute format(
            'select b.id from unnest($1, $2) b (id, wanted) left join %1$s t on t.%2$I = b.id '
            'where t.%2$I is null or jsonb_populate_record(t, b.wanted - $3) *<> t limit 1',
            target.relation, target.key) into different using target.ids, target.wanted, target.derived;
        if different is not null then
            raise exception 'undo would leave % % other than it was', target.entity, different
                using errcode = 'integrity_constraint_violation', constraint = 'undo_as_it_was',
                      hint = 'A rule of its table changes it.';
        end if;
    end loop;
end
$$;
comment on function audit.require_restored(audit.undo_step[]) is
    'Refuses an undo after which a row is not as the trail has it, derived columns apart.';

create or replace function audit.undo(transaction_id bigint, near timestamptz, record_id bigint default null)
returns table (undone bigint, skipped bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    called_by constant audit.actor := audit.current_actor();
    actor audit.actor := called_by;
    steps audit.undo_step[];
    batch record;
begin
    -- A deleted row cannot be locked. So a second undo of the same transaction waits here, and then finds the row
    -- again.
    perform pg_advisory_xact_lock(hashtextextended('audit.undo', transaction_id));
    steps := array(select s from audit.undo_steps(transaction_id, near, record_id) s);
    perform audit.lock_rows_to_undo(steps);
    -- Computed again, now that nobody else can change the rows.
    steps := array(select s from audit.undo_steps(transaction_id, near, record_id) s);
    undone := (select count(*) from unnest(steps) s where s.skipped is null);
    skipped := cardinality(steps) - undone;
    if undone = 0 then
        raise exception 'transaction % has nothing to undo', transaction_id
            using errcode = 'no_data_found', constraint = 'nothing_to_undo',
                  hint = 'It was undone already, or every row was changed since.';
    end if;

    -- Triggers that change further rows by themselves (inventory.follow_colour) leave them to the steps of the undo.
    perform set_config('backstitch.undoing', 'on', true);
    actor.source := 'undo';
    perform audit.act_as(actor);
    for batch in
        select w as target, b.* from audit.undo_batches(steps) b join audit.watched_tables w using (entity)
    loop
        if audit.undo_batch(batch.target, batch.action, batch.ids, batch.values_before) <> cardinality(batch.ids) then
            raise exception 'undo of transaction % did not reach every row of %', transaction_id, batch.entity
                using errcode = 'serialization_failure', constraint = 'undo_every_row',
                      hint = 'The rows changed meanwhile, or a trigger keeps them. Look at the preview again.';
        end if;
    end loop;
    perform set_config('backstitch.undoing', '', true);
    perform audit.act_as(called_by);
    perform audit.require_restored(steps);

    perform audit.write_activity(
        actor, 'UNDO', steps[1].entity, case when undone + skipped = 1 then steps[1].entity_id end,
        jsonb_strip_nulls(jsonb_build_object(
            'undid', transaction_id, 'undid_record', record_id, 'rows', undone, 'skipped', nullif(skipped, 0))));
    return next;
end
$$;
comment on function audit.undo(bigint, timestamptz, bigint) is
    'Undoes a transaction near a time, or one of its records, as the user of this transaction, and records UNDO. '
    'Returns how many records it undid and how many it skipped.';
