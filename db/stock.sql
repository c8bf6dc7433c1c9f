-- Backstitch: the stock books, kept by the database.
--
-- A row of inward_logs moves its cell of the matrix up, a row of sales_logs moves it down, a row of
-- stock_adjustments (db/adjustments.sql) by its sign, in the same statement, whoever runs it. The
-- quantity of a cell can be written in no other way: no role has the right to, and the constraint
-- stock_never_negative holds under any concurrency.
--
-- Locks. A statement locks the cells it touches in one order (product, colour, size) before it
-- moves any, so two bulk statements cannot deadlock.
--
-- Isolation. A rule about several rows looks at them after it holds its locks. At a level above READ COMMITTED it
-- would see them as they were when the transaction began, so there such a change is refused.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

do $$
begin
    create type inventory.stock_move as (product_id bigint, colour_code text, size text, moved bigint);
exception when duplicate_object then null;
end
$$;
comment on type inventory.stock_move is 'How far a statement moves one cell of the matrix, in pieces.';

create or replace function inventory.move_stock() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- +1 for goods in, -1 for goods out; given where the trigger is created.
    direction constant integer := tg_argv[0];
    moves inventory.stock_move[];
begin
    -- What the statement changes, netted per cell, in locking order.
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

    -- NO KEY: the foreign keys of other sessions' movements hold KEY SHARE on these cells by now, and
    -- waiting for those would be a deadlock.
    perform from inventory.product_color_stocks s
    join unnest(moves) m using (product_id, colour_code, size)
    order by s.product_id, s.colour_code, s.size
    for no key update of s;

    update inventory.product_color_stocks s set quantity = s.quantity + m.moved
    from unnest(moves) m
    where s.product_id = m.product_id and s.colour_code = m.colour_code and s.size = m.size;
    return null;
end
$$;
comment on function inventory.move_stock() is
    'Moves the cells of the stock matrix by what a statement on a log of movements changed.';

create or replace function inventory.refuse_truncate() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'TRUNCATE of % is refused: its rows have moved stock', tg_relid::regclass
        using errcode = 'restrict_violation', constraint = 'movements_not_truncated',
              hint = 'DELETE moves the stock back.';
end
$$;
comment on function inventory.refuse_truncate() is 'TRUNCATE would leave the stock without its movements.';

create or replace function inventory.require_read_committed() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'this change is refused under isolation level %: its rules could miss what others have written',
            current_setting('transaction_isolation')
            using errcode = 'feature_not_supported', constraint = 'rules_read_committed', hint = 'Use READ COMMITTED.';
    end if;
end
$$;
comment on function inventory.require_read_committed() is
    'Refuses a change whose rules must see what other transactions have written since this one began.';

create or replace function inventory.cell_used(product_id bigint, colour_code text, size text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from inventory.inward_logs l
                   where (l.product_id, l.colour_code, l.size) = ($1, $2, $3))
        or exists (select from inventory.sales_logs l
                   where (l.product_id, l.colour_code, l.size) = ($1, $2, $3))
        or exists (select from inventory.stock_adjustments a
                   where (a.product_id, a.colour_code, a.size) = ($1, $2, $3))
        or exists (select from inventory.order_lines l
                   where (l.product_id, l.colour_code, l.size) = ($1, $2, $3));
end
$$;
comment on function inventory.cell_used(bigint, text, text) is 'Whether a cell has movements or orders.';

create or replace function inventory.check_cell() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        if old.quantity <> 0 then
            raise exception 'cell % % of product % holds stock', old.colour_code, old.size, old.product_id
                using errcode = 'restrict_violation', constraint = 'cell_holds_stock';
        elsif inventory.cell_used(old.product_id, old.colour_code, old.size) then
            raise exception 'cell % % of product % has movements or orders', old.colour_code, old.size, old.product_id
                using errcode = 'restrict_violation', constraint = 'cell_has_history',
                      hint = 'Take the cell out of use: set is_active = false.';
        end if;
        return old;
    end if;
    -- The share lock keeps a concurrent change of the sizes from passing by.
    perform from inventory.products p where p.id = new.product_id and new.size = any (p.sizes) for share;
    if not found then
        raise exception 'size % is not one of the sizes of product %', new.size, new.product_id
            using errcode = 'check_violation', constraint = 'size_of_product';
    end if;
    return new;
end
$$;
comment on function inventory.check_cell() is
    'A cell has one of the sizes of its product, and goes only when it is empty and was never used.';

create or replace function inventory.check_sizes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
begin
    if tg_op = 'UPDATE' then
        perform inventory.require_read_committed();
    end if;
    if (select count(*) <> count(distinct s) or bool_or(s !~ '\S') from unnest(new.sizes) s) then
        raise exception 'the sizes of product % repeat or are blank', new.sku
            using errcode = 'check_violation', constraint = 'sizes_distinct';
    end if;
    select s.size into missing from inventory.product_color_stocks s
    where s.product_id = new.id and s.size <> all (new.sizes) limit 1;
    if missing is not null then
        raise exception 'size % of product % is in its stock matrix', missing, new.sku
            using errcode = 'restrict_violation', constraint = 'size_in_use';
    end if;
    return new;
end
$$;
comment on function inventory.check_sizes() is 'Sizes are distinct, and a size with a cell stays.';

do $$
declare
    log record;
begin
    for log in
        -- The log of adjustments came later than this file.
        select name, direction
        from (values ('inventory.inward_logs', '1'), ('inventory.sales_logs', '-1'),
                     ('inventory.stock_adjustments', '1')) l (name, direction)
        where to_regclass(name) is not null
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

create or replace trigger check_cell before insert or update of product_id, size or delete
    on inventory.product_color_stocks for each row execute function inventory.check_cell();
create or replace trigger check_sizes before insert or update of sizes
    on inventory.products for each row execute function inventory.check_sizes();

alter table inventory.product_color_stocks enable always trigger check_cell;
alter table inventory.products enable always trigger check_sizes;

-- Rights: everybody reads; managers and admins write; cells start empty and are moved by the triggers.

revoke all on all functions in schema inventory from public;
grant execute on function inventory.cell_used(bigint, text, text) to backstitch_admin, backstitch_manager;

grant usage on schema inventory to
    backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant select on all tables in schema inventory to
    backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant insert, update, delete on
    inventory.products, inventory.product_colors, inventory.inward_logs, inventory.sales_logs
to backstitch_admin, backstitch_manager;
grant insert (product_id, colour_code, size), delete on inventory.product_color_stocks
to backstitch_admin, backstitch_manager;
