-- Backstitch: changes that need a reason.
--
-- inventory.reason_policies says which: a field of an entity, or `*` for every addition, change and deletion of it.
-- A signed-in user without a reason (accounts.begin) is refused; a login of the system, a migration say, is not asked.
-- A statement that changes none of these fields costs one look at the policies, and with a reason not even that.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.require_reason() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- The name of the record type in the trail; given where the trigger is created.
    entity_name constant text := tg_argv[0];
    asked text[];
    lacking text;
begin
    -- Settings made by hand do not help: the trail refuses them, for they do not fit their signature.
    if coalesce(current_setting('backstitch.reason', true), '') ~ '\S'
        or coalesce(current_setting('backstitch.user_id', true), '') = ''
    then
        return null;
    end if;
    select array_agg(p.field) into asked from inventory.reason_policies p
    where p.entity = entity_name and p.required and (tg_op = 'UPDATE' or p.field = '*');
    if asked is null then
        return null;
    end if;

    if tg_op = 'INSERT' then
        select '*' into lacking from new_rows limit 1;
    elsif tg_op = 'DELETE' then
        select '*' into lacking from old_rows limit 1;
    else
        select field into lacking
        from (select to_jsonb(n) as new_row, to_jsonb(o) as old_row from new_rows n join old_rows o using (id)) pairs
        cross join unnest(asked) field
        where case field when '*' then new_row <> old_row else new_row -> field is distinct from old_row -> field end
        limit 1;
    end if;
    if lacking is not null then
        raise exception '% of % (%) needs a reason', tg_op, entity_name, lacking
            using errcode = 'check_violation', constraint = 'reason_required',
                  hint = 'Give accounts.begin a reason; inventory.reason_policies says where one is needed.';
    end if;
    return null;
end
$$;
comment on function inventory.require_reason() is
    'Refuses what a policy wants a reason for, when a signed-in user gave none.';

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
    -- A rule for anything else would be believed and ask nobody.
    execute format('alter table inventory.reason_policies drop constraint if exists policy_entity_known, '
                   'add constraint policy_entity_known check (entity = any (%L::text[]))', entities);
end
$$;
