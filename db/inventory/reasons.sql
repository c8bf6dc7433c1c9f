-- Backstitch: changes that need a reason.
--
-- Contract. A row of inventory.reason_policies names a field of an entity, or `*` for every insert, update and delete
-- of it. A statement of a signed-in user that changes such a field is refused unless accounts.begin got a reason. A
-- login of the system (a migration, say) needs none. A statement without a reason costs one query of the policies, one
-- with a reason not even that.
--
-- Locks. None. Applying this file replaces the constraint policy_entity_known and so locks the policies until commit.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.require_reason() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- The name of the entity in the trail, an argument of the trigger.
    entity_name constant text := tg_argv[0];
    policy_fields text[];
    changed_field text;
begin
    -- A reason set by hand does not help: it does not fit the signature, so audit.current_actor refuses the statement.
    if coalesce(current_setting('backstitch.reason', true), '') ~ E'\\S'
        or coalesce(current_setting('backstitch.user_id', true), '') = ''
    then
        return null;
    end if;
    select array_agg(p.field) into policy_fields from inventory.reason_policies p
    where p.entity = entity_name and p.required and (tg_op = 'UPDATE' or p.field = '*');
    if policy_fields is null then
        return null;
    end if;

    if tg_op = 'INSERT' then
        select '*' into changed_field from new_rows limit 1;
    elsif tg_op = 'DELETE' then
        select '*' into changed_field from old_rows limit 1;
    else
        select field into changed_field
        from (select to_jsonb(n) as new_row, to_jsonb(o) as old_row from new_rows n join old_rows o using (id)) pairs
        cross join unnest(policy_fields) field
        where case field when '*' then new_row <> old_row else new_row -> field is distinct from old_row -> field end
        limit 1;
    end if;
    if changed_field is not null then
        raise exception '% of % (%) needs a reason', tg_op, entity_name, changed_field
            using errcode = 'check_violation', constraint = 'reason_required',
                  hint = 'Give accounts.begin a reason; inventory.reason_policies says where one is needed.';
    end if;
    return null;
end
$$;
comment on function inventory.require_reason() is
    'Refuses a statement of a signed-in user without a reason, if a policy requires one for what it changes.';

do $$
declare
    target record;
    entities text[] := '{}';
begin
    for target in
        select * from (values
            ('inventory.products'::regclass, 'Product'), ('inventory.product_colors', 'ProductColor'),
            ('inventory.inward_logs', 'InwardLog'), ('inventory.sales_logs', 'SalesLog'),
            ('inventory.stock_adjustments', 'StockAdjustment'), ('inventory.customers', 'Customer'),
            ('inventory.agencies', 'Agency'), ('inventory.orders', 'Order'), ('inventory.order_lines', 'OrderLine'),
            ('inventory.reason_policies', 'ReasonPolicy'), ('accounts.users', 'User')) t (relation, entity)
    loop
        execute format('create or replace trigger reason_insert after insert on %s referencing new table as new_rows '
                       'for each statement execute function inventory.require_reason(%L)',
                       target.relation, target.entity);
        execute format('create or replace trigger reason_update after update on %s referencing old table as old_rows '
                       'new table as new_rows for each statement execute function inventory.require_reason(%L)',
                       target.relation, target.entity);
        execute format('create or replace trigger reason_delete after delete on %s referencing old table as old_rows '
                       'for each statement execute function inventory.require_reason(%L)',
                       target.relation, target.entity);
        execute format('alter table %s enable always trigger reason_insert, enable always trigger reason_update, '
                       'enable always trigger reason_delete', target.relation);
        entities := entities || target.entity;
    end loop;
    -- A policy for any other entity would have no trigger, so nobody would be asked for a reason.
    execute format('alter table inventory.reason_policies drop constraint if exists policy_entity_known, '
                   'add constraint policy_entity_known check (entity = any (%L::text[]))', entities);
end
$$;
