-- Backstitch: products, their sizes, and the cells of the stock matrix.
--
-- Contract. A cell has one of the sizes of its product, and can be deleted only while it is empty and was never used. A
-- cell out of use (is_active = false) is empty: the constraint inactive_cell_empty refuses stock in it. A colour out of
-- use has no cell in use: its cells go out of use with it and come back into use only with it.
--
-- Locks. A new cell locks its product (FOR SHARE). A colour that goes out of use, or comes back, locks its cells in the
-- order in which movements lock them.
--
-- Limits. A rule about several rows takes its locks and then reads the rows. Above READ COMMITTED it would read them as
-- of the beginning of the transaction, so such changes are refused there.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

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
    'Refuses a change above READ COMMITTED, where its rules would not see what other transactions have committed.';

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
comment on function inventory.cell_used(bigint, text, text) is
    'Returns whether a cell has movements or order lines.';

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
    -- FOR SHARE, so that a concurrent change of the sizes waits.
    perform from inventory.products p where p.id = new.product_id and new.size = any (p.sizes) for share;
    if not found then
        raise exception 'size % is not one of the sizes of product %', new.size, new.product_id
            using errcode = 'check_violation', constraint = 'size_of_product';
    end if;
    return new;
end
$$;
comment on function inventory.check_cell() is
    'Refuses a cell whose size is none of its product, and the deletion of a cell that holds stock or was used.';

create or replace function inventory.check_sizes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
    double text;
begin
    if tg_op = 'UPDATE' then
        perform inventory.require_read_committed();
    end if;
    if (select count(*) <> count(distinct s)
            or bool_or(s !~ E'\\S' or inventory.plain_name(s) = '') from unnest(new.sizes) s)
    then
        raise exception 'the sizes of product % repeat or are blank', new.sku
            using errcode = 'check_violation', constraint = 'sizes_distinct';
    end if;
    -- Sizes that stood beside each other before keys were unique may stay.
    select format('%s is %s', a.size, b.size) into double
    from unnest(new.sizes) a (size) join unnest(new.sizes) b (size) on b.size <> a.size
    where inventory.size_key(a.size) = inventory.size_key(b.size)
        and not (tg_op = 'UPDATE' and a.size = any (old.sizes))
    limit 1;
    if double is not null then
        raise exception 'a size of product % stands there twice: %', new.sku, double
            using errcode = 'check_violation', constraint = 'size_key_unique', detail = double;
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
comment on function inventory.check_sizes() is
    'Refuses sizes that repeat, by another name too, or are blank, and the removal of a size that has a cell.';

create or replace function inventory.follow_colour() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    cells bigint[];
    -- audit.undo takes cells back into use by steps of its own. Setting this by hand does no harm: the cells stay out
    -- of use.
    undoing constant boolean := coalesce(current_setting('backstitch.undoing', true), '') = 'on';
begin
    if not exists (select from new_rows n join old_rows o on o.id = n.id where n.is_active <> o.is_active) then
        return null;
    end if;
    perform inventory.require_read_committed();
    -- In the order in which movements lock cells.
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
    'Takes the cells of a colour out of use with it, which cells with stock refuse, and back into use with it, except '
    'within an undo.';

create or replace function inventory.follow_own_colour() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    in_use boolean;
begin
    if new.is_active then
        -- Locked before is_active is read, so that the colour cannot go out of use before commit.
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
    'Takes a new cell of a colour out of use out of use too, and refuses to take it into use before its colour.';

create or replace trigger follow_colour after update on inventory.product_colors
    referencing old table as old_rows new table as new_rows
    for each statement execute function inventory.follow_colour();
create or replace trigger follow_own_colour before insert or update of is_active
    on inventory.product_color_stocks for each row execute function inventory.follow_own_colour();

alter table inventory.product_colors enable always trigger follow_colour;
alter table inventory.product_color_stocks enable always trigger follow_own_colour;

create or replace trigger check_cell before insert or update of product_id, size or delete
    on inventory.product_color_stocks for each row execute function inventory.check_cell();
create or replace trigger check_sizes before insert or update of sizes
    on inventory.products for each row execute function inventory.check_sizes();

alter table inventory.product_color_stocks enable always trigger check_cell;
alter table inventory.products enable always trigger check_sizes;
