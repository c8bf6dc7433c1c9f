-- Backstitch: movements of stock.
--
-- Contract. A row of inward_logs adds its quantity to its cell of the stock matrix, a row of sales_logs subtracts it, a
-- row of stock_adjustments adds its signed quantity: in the same statement, whoever runs it. Nothing else writes the
-- quantity of a cell, because no role of users has the right to. The constraint stock_never_negative holds under any
-- concurrency.
--
-- Locks. A statement locks its cells in one order (product, colour, size) before it moves any, so two bulk statements
-- cannot deadlock.
--
-- Limits. Isolation levels: see products.sql. TRUNCATE of a log is refused.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.refuse_shortage(moves inventory.stock_move[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    short jsonb;
begin
    -- The constraint would refuse too, but it does not know the names of the cell, nor what was asked.
    select jsonb_agg(jsonb_build_array(p.sku, c.color, s.size, -m.moved, s.quantity)
                     order by p.sku, c.color, s.size) into short
    from unnest(moves) m
    join inventory.product_color_stocks s using (product_id, colour_code, size)
    join inventory.product_colors c using (product_id, colour_code)
    join inventory.products p on p.id = s.product_id
    where s.quantity + m.moved < 0;
    if short is not null then
        raise exception 'stock would be less than nothing in % cells', jsonb_array_length(short)
            using errcode = 'check_violation', constraint = 'stock_never_negative', detail = short::text,
                  hint = 'The detail has for each cell: SKU, colour, size, pieces asked, pieces on hand.';
    end if;
end
$$;
comment on function inventory.refuse_shortage(inventory.stock_move[]) is
    'Refuses moves that take more out of a cell than there is, and names the cells. Their rows are locked.';

create or replace function inventory.move_stock() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- +1 for goods in, -1 for goods out; an argument of the trigger.
    direction constant integer := tg_argv[0];
    moves inventory.stock_move[];
begin
    -- The net change per cell, in the order in which cells are locked.
    if tg_op = 'INSERT' then
        select array_agg((product_id, colour_code, size, moved)::inventory.stock_move
                         order by product_id, colour_code, size) into moves
        from (select product_id, colour_code, size, direction * sum(quantity) as moved
              from new_rows group by 1, 2, 3) net;
    elsif tg_op = 'DELETE' then
        select array_agg((product_id, colour_code, size, moved)::inventory.stock_move
                         order by product_id, colour_code, size) into moves
        from (select product_id, colour_code, size, -direction * sum(quantity) as moved
              from old_rows group by 1, 2, 3) net;
    else
        select array_agg((product_id, colour_code, size, moved)::inventory.stock_move
                         order by product_id, colour_code, size) into moves
        from (select product_id, colour_code, size, direction * sum(quantity) as moved
              from (select product_id, colour_code, size, quantity from new_rows
                    union all
                    select product_id, colour_code, size, -quantity from old_rows) both_sides
              group by 1, 2, 3 having sum(quantity) <> 0) net;
    end if;

    -- FOR NO KEY UPDATE, because other sessions' movements hold KEY SHARE on these cells through their foreign keys,
    -- and FOR UPDATE would wait for them: a deadlock.
    perform from inventory.product_color_stocks s
    join unnest(moves) m using (product_id, colour_code, size)
    order by s.product_id, s.colour_code, s.size
    for no key update of s;

    if exists (select from unnest(moves) m where m.moved < 0) then
        perform inventory.refuse_shortage(moves);
    end if;

    update inventory.product_color_stocks s set quantity = s.quantity + m.moved
    from unnest(moves) m
    where s.product_id = m.product_id and s.colour_code = m.colour_code and s.size = m.size;
    return null;
end
$$;
comment on function inventory.move_stock() is
    'Changes the quantities of cells by the net change of a statement on a log of movements.';

create or replace function inventory.refuse_truncate() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'TRUNCATE of % is refused: its rows have moved stock', tg_relid::regclass
        using errcode = 'restrict_violation', constraint = 'movements_not_truncated',
              hint = 'DELETE moves the stock back.';
end
$$;
comment on function inventory.refuse_truncate() is
    'Refuses TRUNCATE, after which the stock would not be that of its movements.';

do $$
declare
    log record;
begin
    for log in
        select * from (values ('inventory.inward_logs', '1'), ('inventory.sales_logs', '-1'),
                              ('inventory.stock_adjustments', '1')) l (name, direction)
    loop
        execute format('create or replace trigger move_stock_insert after insert on %s '
                       'referencing new table as new_rows '
                       'for each statement execute function inventory.move_stock(%L)', log.name, log.direction);
        execute format('create or replace trigger move_stock_update after update on %s '
                       'referencing old table as old_rows new table as new_rows '
                       'for each statement execute function inventory.move_stock(%L)', log.name, log.direction);
        execute format('create or replace trigger move_stock_delete after delete on %s '
                       'referencing old table as old_rows '
                       'for each statement execute function inventory.move_stock(%L)', log.name, log.direction);
        execute format('create or replace trigger move_stock_truncate before truncate on %s '
                       'for each statement execute function inventory.refuse_truncate()', log.name);
        execute format('alter table %s enable always trigger move_stock_insert, '
                       'enable always trigger move_stock_update, enable always trigger move_stock_delete, '
                       'enable always trigger move_stock_truncate', log.name);
    end loop;
end
$$;

-- Sales -----------------------------------------------------------------------------------------

create or replace function inventory.check_sale() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    bad record;
begin
    -- A sale from before its product was restricted can still be corrected, as long as its product, store and agency
    -- stay.
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
comment on function inventory.check_sale() is
    'Refuses sales of products that may not go to the store or through the agency.';

create or replace function inventory.keep_sale_of_order() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    -- At depth 1 the statement itself wrote the row. The dispatch of an order writes it deeper and as the owner; depth
    -- alone proves nothing, because a trigger on a user's temporary table is as deep.
    if pg_trigger_depth() < 2 or current_user <> 'backstitch_owner' then
        raise exception '% of a sale that belongs to an order is refused', tg_op
            using errcode = 'restrict_violation', constraint = 'sale_of_order',
                  hint = 'Goods that come back are goods in, of category Return.';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function inventory.keep_sale_of_order() is
    'Refuses to write a sale that belongs to an order, except to the dispatch of the order.';

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
