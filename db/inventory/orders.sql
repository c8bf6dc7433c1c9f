-- Backstitch: orders.
--
-- Contract. A draft has no number and can be changed and deleted. Confirming it gives it the next number of its
-- financial year; from then on it is never deleted: it is dispatched and delivered, or cancelled. The numbers of a year
-- have no gaps, because the counter moves in the same transaction. Dispatch writes all lines of an order into
-- sales_logs, which moves the stock. Lines, customer, agency and date can change while an order is a draft or
-- confirmed.
--
-- Locks. Confirming locks the counter of the year until commit, so confirmations wait for one another. A statement on
-- lines locks their orders first, so no line can pass a change of status, and two statements that remove lines each see
-- what the other has left. A new order locks its customer and agency (FOR SHARE), a new line its product and its cell,
-- so that none of them goes out of use before commit.
--
-- Limits. Isolation levels: see db/inventory/products.sql.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.number_order(year text) returns integer
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    insert into inventory.order_counters as c (financial_year, last_number) values (year, 1)
    on conflict on constraint order_counter_per_year do update set last_number = c.last_number + 1
    returning last_number
$$;
comment on function inventory.number_order(text) is
    'Returns the next order number of a financial year. Locks the counter of the year until the transaction ends.';

create or replace function inventory.order_move_allowed(old_status text, new_status text) returns boolean
language sql immutable parallel safe
as $$
    select (old_status, new_status) in (('draft', 'confirmed'), ('confirmed', 'dispatched'), ('confirmed', 'cancelled'),
                                        ('dispatched', 'delivered'))
$$;
comment on function inventory.order_move_allowed(text, text) is
    'Returns whether an order may go from one status to the other.';

create or replace function inventory.change_order_status(old inventory.orders, new inventory.orders)
returns inventory.orders
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    if not inventory.order_move_allowed(old.status, new.status) then
        raise exception 'order % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'order_move_allowed',
                  hint = 'draft > confirmed > dispatched > delivered, or confirmed > cancelled.';
    end if;
    if new.status = 'confirmed' then
        if not exists (select from inventory.order_lines l where l.order_id = new.id) then
            raise exception 'order % has no lines', new.id
                using errcode = 'check_violation', constraint = 'order_has_lines';
        end if;
        new.order_number := inventory.number_order(new.financial_year);
    elsif new.status = 'dispatched' then
        new.dispatch_date := coalesce(new.dispatch_date, greatest(current_date, new.date));
    end if;
    return new;
end
$$;
comment on function inventory.change_order_status(inventory.orders, inventory.orders) is
    'Returns the order with its new status: with a number if it is confirmed, with a dispatch date if it is '
    'dispatched. Refuses a change of status that is not allowed.';

create or replace function inventory.check_order() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'draft' then
            raise exception 'a new order is a draft, not %', new.status
                using errcode = 'check_violation', constraint = 'order_starts_as_draft';
        end if;
        new.financial_year := inventory.financial_year(new.date);
        return new;
    end if;
    if tg_op = 'DELETE' then
        if old.status <> 'draft' then
            raise exception 'order % has a number and stays', old.id
                using errcode = 'restrict_violation', constraint = 'order_deleted_as_draft',
                      hint = 'Cancel it instead.';
        end if;
        return old;
    end if;

    perform inventory.require_read_committed();
    if old.status not in ('draft', 'confirmed')
        and (new.date, new.customer_id, new.agency_id, new.dispatch_date)
            is distinct from (old.date, old.customer_id, old.agency_id, old.dispatch_date)
    then
        raise exception 'order % is %', old.id, old.status
            using errcode = 'restrict_violation', constraint = 'order_open',
                  hint = 'Only drafts and confirmed orders can change.';
    end if;
    if old.status <> 'draft' and (new.order_number is distinct from old.order_number
                                  or inventory.financial_year(new.date) <> old.financial_year)
    then
        raise exception 'order % keeps its number and its financial year', old.id
            using errcode = 'restrict_violation', constraint = 'order_number_fixed';
    end if;
    new.financial_year := inventory.financial_year(new.date);
    return case when new.status = old.status then new else inventory.change_order_status(old, new) end;
end
$$;
comment on function inventory.check_order() is
    'Numbers orders and sets their financial year. Refuses changes and deletions that the status does not allow.';

create or replace function inventory.check_order_parties(touched bigint[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    bad record;
begin
    select p.sku, c.store_name, a.agency_name, r.rule into bad
    from inventory.order_lines l
    join inventory.orders o on o.id = l.order_id
    join inventory.customers c on c.id = o.customer_id
    left join inventory.agencies a on a.id = o.agency_id
    join inventory.products p on p.id = l.product_id and (p.allowed_stores <> '{}' or p.allowed_agencies <> '{}')
    cross join lateral inventory.party_refusal(
        p.allowed_stores, p.allowed_agencies, c.store_name, coalesce(a.agency_name, '')) r (rule)
    where l.order_id = any (touched) and r.rule is not null limit 1;
    if bad.rule is not null then
        raise exception 'product % does not go to store %, agency %', bad.sku, bad.store_name, bad.agency_name
            using errcode = 'check_violation', constraint = bad.rule,
                  hint = 'Change the allowed stores and agencies of the product.';
    end if;
end
$$;
comment on function inventory.check_order_parties(bigint[]) is
    'Refuses orders of which a product may not go to their store or through their agency.';

create or replace function inventory.check_order_party() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    in_use boolean;
begin
    -- Locked before is_active is read, so that the party cannot be deactivated before commit.
    if tg_op = 'INSERT' or new.customer_id <> old.customer_id then
        select c.is_active into in_use from inventory.customers c where c.id = new.customer_id for share;
        if not in_use then
            raise exception 'customer % is deactivated', new.customer_id
                using errcode = 'check_violation', constraint = 'customer_active';
        end if;
    end if;
    if tg_op = 'INSERT' or new.agency_id is distinct from old.agency_id then
        select a.is_active into in_use from inventory.agencies a where a.id = new.agency_id for share;
        if not in_use then
            raise exception 'agency % is deactivated', new.agency_id
                using errcode = 'check_violation', constraint = 'agency_active';
        end if;
    end if;
    return new;
end
$$;
comment on function inventory.check_order_party() is
    'Refuses a new customer or agency of an order that is deactivated.';

create or replace function inventory.follow_order() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    dispatched constant bigint[] := array(
        select n.id from new_rows n join old_rows o on o.id = n.id
        where n.status = 'dispatched' and o.status <> 'dispatched');
    with_new_party constant bigint[] := array(
        select n.id from new_rows n join old_rows o on o.id = n.id
        where (n.customer_id, n.agency_id) is distinct from (o.customer_id, o.agency_id));
begin
    if with_new_party <> '{}' then
        perform inventory.check_order_parties(with_new_party);
    end if;
    if dispatched <> '{}' then
        -- One statement, so that it locks the cells of all these orders in one order.
        insert into inventory.sales_logs (product_id, colour_code, size, quantity, date, agency, store, order_id)
        select l.product_id, l.colour_code, l.size, l.quantity, o.dispatch_date, coalesce(a.agency_name, ''),
               c.store_name, o.id
        from inventory.orders o
        join inventory.order_lines l on l.order_id = o.id
        join inventory.customers c on c.id = o.customer_id
        left join inventory.agencies a on a.id = o.agency_id
        where o.id = any (dispatched)
        order by o.id, l.id;
    end if;
    return null;
end
$$;
comment on function inventory.follow_order() is
    'Writes the sales of orders that are dispatched. Refuses a new customer or agency that a product does not allow.';

create or replace function inventory.price_order_line() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    product inventory.products;
begin
    -- audit.undo inserts a line again as it was, so a null GST rate stays null.
    if new.unit_price is null
        or new.gst_rate is null and coalesce(current_setting('backstitch.undoing', true), '') <> 'on'
    then
        select * into product from inventory.products p where p.id = new.product_id;
        new.unit_price := coalesce(new.unit_price, product.unit_price);
        new.gst_rate := coalesce(new.gst_rate, product.gst_rate);
        if new.unit_price is null and product.id is not null then
            raise exception 'product % has no price', product.sku
                using errcode = 'not_null_violation', constraint = 'line_price_known';
        end if;
    end if;
    return new;
end
$$;
comment on function inventory.price_order_line() is
    'Sets the price and the GST rate of a new line without them to those of its product. An undo sets no GST rate.';

create or replace function inventory.check_order_lines() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    touched bigint[];
    bad record;
begin
    perform inventory.require_read_committed();
    if tg_op = 'INSERT' then
        touched := array(select distinct order_id from new_rows);
    elsif tg_op = 'DELETE' then
        touched := array(select distinct order_id from old_rows);
    else
        touched := array(select order_id from new_rows union select order_id from old_rows);
    end if;
    perform from inventory.orders o where o.id = any (touched) order by o.id for no key update;

    select o.id, o.status,
           o.status not in ('draft', 'confirmed') as closed,
           o.status <> 'draft' and not exists (select from inventory.order_lines l where l.order_id = o.id) as bare
    into bad
    from inventory.orders o where o.id = any (touched) order by 3 desc, 4 desc limit 1;
    if bad.closed then
        raise exception 'order % is %', bad.id, bad.status
            using errcode = 'restrict_violation', constraint = 'order_open',
                  hint = 'Only drafts and confirmed orders can change.';
    elsif bad.bare then
        raise exception 'order % would have no lines', bad.id
            using errcode = 'check_violation', constraint = 'order_has_lines';
    end if;
    if tg_op <> 'DELETE' then
        perform inventory.check_ordered_cells(touched);
        perform inventory.check_order_parties(touched);
    end if;
    return null;
end
$$;
comment on function inventory.check_order_lines() is
    'Refuses a change of lines whose order is closed or would be left without lines, or whose cells are out of use or '
    'may not go to the store or through the agency.';

create or replace function inventory.check_ordered_cells(touched bigint[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    bad record;
begin
    -- Locked before is_active is read, in the order in which movements lock cells.
    perform from inventory.order_lines l
    join inventory.product_color_stocks s using (product_id, colour_code, size)
    join inventory.products p on p.id = l.product_id
    where l.order_id = any (touched)
    order by s.product_id, s.colour_code, s.size
    for share of s, p;

    select s.product_id, s.colour_code, s.size into bad
    from inventory.order_lines l
    join inventory.product_color_stocks s using (product_id, colour_code, size)
    join inventory.products p on p.id = l.product_id
    where l.order_id = any (touched) and not (s.is_active and p.is_active) limit 1;
    if found then
        raise exception 'cell % % of product % is out of use', bad.colour_code, bad.size, bad.product_id
            using errcode = 'check_violation', constraint = 'ordered_cell_in_use';
    end if;
end
$$;
comment on function inventory.check_ordered_cells(bigint[]) is
    'Locks the products and cells of these orders, and refuses any that is out of use.';

create or replace trigger check_order before insert or update or delete on inventory.orders
    for each row execute function inventory.check_order();
create or replace trigger check_order_party before insert or update of customer_id, agency_id on inventory.orders
    for each row execute function inventory.check_order_party();
create or replace trigger follow_order after update on inventory.orders
    referencing old table as old_rows new table as new_rows
    for each statement execute function inventory.follow_order();
create or replace trigger orders_not_truncated before truncate on inventory.orders
    for each statement execute function inventory.refuse_truncate();

create or replace trigger price_line before insert on inventory.order_lines
    for each row execute function inventory.price_order_line();
create or replace trigger check_order_lines_insert after insert on inventory.order_lines
    referencing new table as new_rows for each statement execute function inventory.check_order_lines();
create or replace trigger check_order_lines_update after update on inventory.order_lines
    referencing old table as old_rows new table as new_rows
    for each statement execute function inventory.check_order_lines();
create or replace trigger check_order_lines_delete after delete on inventory.order_lines
    referencing old table as old_rows for each statement execute function inventory.check_order_lines();
create or replace trigger order_lines_not_truncated before truncate on inventory.order_lines
    for each statement execute function inventory.refuse_truncate();

alter table inventory.orders
    enable always trigger check_order, enable always trigger check_order_party,
    enable always trigger follow_order, enable always trigger orders_not_truncated;
alter table inventory.order_lines
    enable always trigger price_line, enable always trigger check_order_lines_insert,
    enable always trigger check_order_lines_update, enable always trigger check_order_lines_delete,
    enable always trigger order_lines_not_truncated;
