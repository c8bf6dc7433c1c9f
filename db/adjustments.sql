-- Backstitch: colours and cells that are out of use, who may be sold to, and parties that stay.
--
-- A cell out of use is empty, so the constraint inactive_cell_empty refuses whatever would bring stock into it. A
-- colour out of use has no cell in use: taking it out of use takes its cells with it, and they come back with it only.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

create or replace function inventory.follow_colour() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    cells bigint[];
    -- audit.undo brings back the cells that it names. Who sets this by hand gets what two statements would do.
    undoing constant boolean := coalesce(current_setting('backstitch.undoing', true), '') = 'on';
begin
    if not exists (select from new_rows n join old_rows o on o.id = n.id where n.is_active <> o.is_active) then
        return null;
    end if;
    perform inventory.require_read_committed();
    -- In locking order, as the movements do.
    cells := array(
        select s.id from inventory.product_color_stocks s
        join new_rows n on (n.product_id, n.colour_code) = (s.product_id, s.colour_code)
        join old_rows o on o.id = n.id
        where n.is_active <> o.is_active and not (n.is_active and undoing)
        order by s.product_id, s.colour_code, s.size
        for no key update of s);
    update inventory.product_color_stocks s set is_active = c.is_active
    from inventory.product_colors c
    where s.id = any (cells) and (c.product_id, c.colour_code) = (s.product_id, s.colour_code)
        and s.is_active <> c.is_active;
    return null;
end
$$;
comment on function inventory.follow_colour() is
    'Takes the cells of a colour out of use with it, which those with stock refuse, and back into use, unless an undo '
    'does that.';

create or replace function inventory.follow_own_colour() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    in_use boolean;
begin
    if new.is_active then
        -- Locked before it is looked at, in use or not, so that it cannot go out of use meanwhile.
        select c.is_active into in_use from inventory.product_colors c
        where (c.product_id, c.colour_code) = (new.product_id, new.colour_code) for share;
        if tg_op = 'UPDATE' and not in_use then
            raise exception 'cell % % of product % stays out of use: its colour is',
                new.colour_code, new.size, new.product_id
                using errcode = 'check_violation', constraint = 'colour_in_use',
                      hint = 'Take the colour back into use: its cells come back with it.';
        end if;
        new.is_active := coalesce(in_use, true);
    end if;
    return new;
end
$$;
comment on function inventory.follow_own_colour() is
    'A new cell of a colour out of use is out of use, and is not taken into use before its colour.';

create or replace trigger follow_colour after update on inventory.product_colors
    referencing old table as old_rows new table as new_rows
    for each statement execute function inventory.follow_colour();
create or replace trigger follow_own_colour before insert or update of is_active
    on inventory.product_color_stocks for each row execute function inventory.follow_own_colour();

alter table inventory.product_colors enable always trigger follow_colour;
alter table inventory.product_color_stocks enable always trigger follow_own_colour;

-- Allowed stores and agencies ------------------------------------------------------------------

create or replace function inventory.check_sale() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    bad record;
begin
    -- An entry from before a product was restricted can still be corrected, as long as it stays where it went.
    if tg_op = 'INSERT' then
        select p.sku, n.store, n.agency, r.rule into bad
        from new_rows n
        join inventory.products p on p.id = n.product_id and (p.allowed_stores <> '{}' or p.allowed_agencies <> '{}')
        cross join lateral inventory.party_refusal(p.allowed_stores, p.allowed_agencies, n.store, n.agency) r (rule)
        where r.rule is not null limit 1;
    else
        select p.sku, n.store, n.agency, r.rule into bad
        from new_rows n
        left join old_rows o on o.id = n.id
        join inventory.products p on p.id = n.product_id and (p.allowed_stores <> '{}' or p.allowed_agencies <> '{}')
        cross join lateral inventory.party_refusal(p.allowed_stores, p.allowed_agencies, n.store, n.agency) r (rule)
        where r.rule is not null
            and (o.product_id, o.store, o.agency) is distinct from (n.product_id, n.store, n.agency) limit 1;
    end if;
    if bad.rule is not null then
        raise exception 'product % does not go to store %, agency %', bad.sku, bad.store, bad.agency
            using errcode = 'check_violation', constraint = bad.rule,
                  hint = 'Change the allowed stores and agencies of the product.';
    end if;
    return null;
end
$$;
comment on function inventory.check_sale() is 'A product goes to its allowed stores, through its allowed agencies.';

create or replace function inventory.keep_sale_of_order() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    -- Depth 1: the statement itself touched the row. Deeper: the dispatch of an order wrote it, as the owner; a trigger
    -- of one's own on a temporary table is as deep.
    if pg_trigger_depth() < 2 or current_user <> 'backstitch_owner' then
        raise exception '% of a sale that belongs to an order is refused', tg_op
            using errcode = 'restrict_violation', constraint = 'sale_of_order',
                  hint = 'Goods that come back are goods in, of category Return.';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function inventory.keep_sale_of_order() is 'The dispatch of an order writes its sales, and nobody else does.';

create or replace trigger check_sale_insert after insert on inventory.sales_logs
    referencing new table as new_rows for each statement execute function inventory.check_sale();
create or replace trigger check_sale_update after update on inventory.sales_logs
    referencing old table as old_rows new table as new_rows for each statement execute function inventory.check_sale();
create or replace trigger keep_sale_of_order_insert before insert on inventory.sales_logs
    for each row when (new.order_id is not null) execute function inventory.keep_sale_of_order();
create or replace trigger keep_sale_of_order_update before update on inventory.sales_logs
    for each row when (old.order_id is not null or new.order_id is not null)
    execute function inventory.keep_sale_of_order();
create or replace trigger keep_sale_of_order_delete before delete on inventory.sales_logs
    for each row when (old.order_id is not null) execute function inventory.keep_sale_of_order();

alter table inventory.sales_logs
    enable always trigger check_sale_insert, enable always trigger check_sale_update,
    enable always trigger keep_sale_of_order_insert, enable always trigger keep_sale_of_order_update,
    enable always trigger keep_sale_of_order_delete;

-- Customers and agencies -----------------------------------------------------------------------

create or replace function inventory.check_party_unused() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- The sales log names stores and agencies in words; orders refer to them.
    if tg_table_name = 'customers' then
        if exists (select from inventory.orders o where o.customer_id = old.id)
            or exists (select from inventory.sales_logs l where lower(l.store) = lower(to_jsonb(old) ->> 'store_name'))
        then
            raise exception 'customer % has orders or sales', old.id
                using errcode = 'restrict_violation', constraint = 'customer_unused',
                      hint = 'Deactivate the customer: set is_active = false.';
        end if;
    elsif exists (select from inventory.orders o where o.agency_id = old.id)
        or exists (select from inventory.sales_logs l
                   where l.agency <> '' and lower(l.agency) = lower(to_jsonb(old) ->> 'agency_name'))
    then
        raise exception 'agency % has orders or sales', old.id
            using errcode = 'restrict_violation', constraint = 'agency_unused',
                  hint = 'Deactivate the agency: set is_active = false.';
    end if;
    return old;
end
$$;
comment on function inventory.check_party_unused() is 'Who has bought or sold stays: deactivated, not deleted.';

create or replace trigger check_party_unused before delete on inventory.customers
    for each row execute function inventory.check_party_unused();
create or replace trigger check_party_unused before delete on inventory.agencies
    for each row execute function inventory.check_party_unused();

alter table inventory.customers enable always trigger check_party_unused;
alter table inventory.agencies enable always trigger check_party_unused;

-- Rights: as in db/stock.sql.

revoke all on all functions in schema inventory from public;

grant select on all tables in schema inventory to
    backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant insert, update, delete on inventory.stock_adjustments, inventory.customers, inventory.agencies
to backstitch_admin, backstitch_manager;
grant update (is_active) on inventory.product_color_stocks to backstitch_admin, backstitch_manager;
