-- Backstitch: one thing has one name.
--
-- Contract. Each SKU, customer and agency, and each colour and colour code of a product, has its key in
-- runtime.name_keys; a name whose key another one has is refused. The functions that make the keys, and the unique
-- index, are those of revision 0003. Names that stood beside each other before keep their places and stay until one of
-- them is renamed or deleted.
--
-- Locks. Whoever adds a name waits for a transaction that adds one with the same key.
--
-- Limits.
--   * A TRUNCATE of these tables is refused by the logs that refer to them (movements.sql, orders.sql), so it needs no
--     trigger here.
--   * Parties of entries (stores, suppliers and agencies of movements) are texts: the application writes each as it is
--     written already (inventory.known_store and its like), SQL by hand need not.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.key_of(kind text, name text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select case kind when 'sku' then inventory.sku_key(name) else inventory.name_key(name) end
$$;
comment on function inventory.key_of(text, text) is
    'Returns the key of a name; the kind is that of runtime.name_keys.';

create or replace function inventory.scope_of(kind text, named jsonb) returns bigint
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select case when kind in ('color', 'colour_code') then (named ->> 'product_id')::bigint else 0 end
$$;
comment on function inventory.scope_of(text, jsonb) is
    'Returns within what the name of a row is the only one with its key: for colours the product, otherwise 0, all.';

create or replace function inventory.refuse_name(kind text, name text, key text, scope bigint) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    taken_by text;
begin
    if key = '' then
        raise exception '% is blank: it has nothing that can be seen', kind
            using errcode = 'check_violation', constraint = case kind
                when 'store_name' then 'customer_name_not_blank' when 'agency_name' then 'agency_name_not_blank'
                else kind || '_not_blank' end;
    end if;
    execute format('select n.%I from inventory.%I n join runtime.name_keys k on k.owner_id = n.id '
                   'where (k.kind, k.scope, k.key) = ($1, $2, $3) order by k.place limit 1',
                   kind,
                   case kind when 'sku' then 'products' when 'store_name' then 'customers'
                             when 'agency_name' then 'agencies' else 'product_colors' end)
    into taken_by using kind, scope, key;
    raise exception '% % is there already, written %', kind, name, taken_by
        using errcode = 'unique_violation', constraint = kind || '_key_unique', detail = coalesce(taken_by, name);
end
$$;
comment on function inventory.refuse_name(text, text, text, bigint) is
    'Raises the error for a name that is blank, or whose key is taken; its detail is the name that has the key.';

create or replace function inventory.keep_name_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    kind constant text := tg_argv[0];
    refused record;
begin
    -- Waits for others that add the same keys; the order keeps two such statements from waiting for each other.
    with named as materialized (
        select new_row ->> kind as name, inventory.key_of(kind, new_row ->> kind) as key,
               inventory.scope_of(kind, new_row) as scope,
               (new_row ->> 'id')::bigint as id
        from (select to_jsonb(n) as new_row from new_rows n) rows
    ), kept as (
        insert into runtime.name_keys (kind, scope, key, owner_id)
        select tg_argv[0], n.scope, n.key, n.id from named n where n.key <> '' order by n.scope, n.key, n.id
        on conflict on constraint name_key_unique do nothing
        returning owner_id
    )
    select n.* into refused from named n where n.id not in (select k.owner_id from kept k) order by n.id limit 1;
    if found then
        perform inventory.refuse_name(kind, refused.name, refused.key, refused.scope);
    end if;
    return null;
end
$$;
comment on function inventory.keep_name_keys() is
    'Keeps the keys of new names, and refuses a name whose key is taken. The argument is the column of the name.';

create or replace function inventory.change_name_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    changed record;
begin
    for changed in
        select k.owner_id as id, k.scope, k.key, n.name, n.scope as new_scope, n.key as new_key
        from (
            select (row ->> 'id')::bigint as id, row ->> tg_argv[0] as name,
                   inventory.key_of(tg_argv[0], row ->> tg_argv[0]) as key, inventory.scope_of(tg_argv[0], row) as scope
            from (select to_jsonb(r) as row from new_rows r) rows
        ) n
        join runtime.name_keys k on k.kind = tg_argv[0] and k.owner_id = n.id
        where (k.scope, k.key) <> (n.scope, n.key)
        order by n.scope, n.key, n.id
    loop
        if changed.new_key = '' then
            perform inventory.refuse_name(tg_argv[0], changed.name, '', changed.new_scope);
        end if;
        begin
            update runtime.name_keys k set scope = changed.new_scope, key = changed.new_key, place = 0
            where k.kind = tg_argv[0] and k.owner_id = changed.id;
        exception when unique_violation then
            perform inventory.refuse_name(tg_argv[0], changed.name, changed.new_key, changed.new_scope);
        end;
        perform inventory.fill_place(tg_argv[0], changed.scope, changed.key);
    end loop;
    return null;
end
$$;
comment on function inventory.change_name_keys() is 'Keeps the keys of changed names, and refuses one that is taken.';

create or replace function inventory.drop_name_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    dropped record;
begin
    for dropped in
        delete from runtime.name_keys k using old_rows o where k.kind = tg_argv[0] and k.owner_id = o.id
        returning k.scope, k.key
    loop
        perform inventory.fill_place(tg_argv[0], dropped.scope, dropped.key);
    end loop;
    return null;
end
$$;
comment on function inventory.drop_name_keys() is 'Drops the keys of deleted names.';

create or replace function inventory.fill_place(kind text, scope bigint, key text) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
    update runtime.name_keys k set place = 0
    where (k.kind, k.scope, k.key) = ($1, $2, $3) and k.place = (
        select min(q.place) from runtime.name_keys q where (q.kind, q.scope, q.key) = ($1, $2, $3))
$$;
comment on function inventory.fill_place(text, bigint, text) is
    'Gives the first place of a key to the first of the names that have it still.';

do $$
declare
    named record;
begin
    for named in
        select * from (values ('products', 'sku'), ('product_colors', 'color'), ('product_colors', 'colour_code'),
                              ('customers', 'store_name'), ('agencies', 'agency_name')) n (relation, kind)
    loop
        -- Their names come after those of the triggers of the trail: first the record, then the key.
        execute format('create or replace trigger keep_new_%2$s after insert on inventory.%1$I '
                       'referencing new table as new_rows '
                       'for each statement execute function inventory.keep_name_keys(%2$L)',
                       named.relation, named.kind);
        execute format('create or replace trigger keep_changed_%2$s after update on inventory.%1$I '
                       'referencing new table as new_rows '
                       'for each statement execute function inventory.change_name_keys(%2$L)',
                       named.relation, named.kind);
        execute format('create or replace trigger keep_deleted_%2$s after delete on inventory.%1$I '
                       'referencing old table as old_rows '
                       'for each statement execute function inventory.drop_name_keys(%2$L)',
                       named.relation, named.kind);
        execute format('alter table inventory.%1$I enable always trigger keep_new_%2$s, '
                       'enable always trigger keep_changed_%2$s, enable always trigger keep_deleted_%2$s',
                       named.relation, named.kind);
    end loop;
end
$$;

-- Parties of entries ----------------------------------------------------------------------------

create or replace function inventory.known_customer(name text) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
    select c.store_name from runtime.name_keys k join inventory.customers c on c.id = k.owner_id
    where k.kind = 'store_name' and k.scope = 0 and k.key = inventory.name_key($1) order by k.place limit 1
$$;
comment on function inventory.known_customer(text) is 'Returns the name of the customer with the key of this name.';

create or replace function inventory.known_store(name text) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(inventory.known_customer($1), (
        select l.store from inventory.sales_logs l where inventory.name_key(l.store) = inventory.name_key($1)
        order by l.date desc, l.id desc limit 1))
$$;
comment on function inventory.known_store(text) is
    'Returns how the store with the key of this name is written: as the customer, or else in the sales log.';

create or replace function inventory.known_agency(name text) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (select a.agency_name from runtime.name_keys k join inventory.agencies a on a.id = k.owner_id
         where k.kind = 'agency_name' and k.scope = 0 and k.key = inventory.name_key($1) order by k.place limit 1),
        (select l.agency from inventory.sales_logs l
         where l.agency <> '' and inventory.name_key(l.agency) = inventory.name_key($1) limit 1))
$$;
comment on function inventory.known_agency(text) is
    'Returns how the agency with the key of this name is written: in its own row, or else in the sales log.';

create or replace function inventory.known_stakeholder(name text) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
    select l.stakeholder_name from inventory.inward_logs l
    where inventory.name_key(l.stakeholder_name) = inventory.name_key($1)
    order by l.date desc, l.id desc limit 1
$$;
comment on function inventory.known_stakeholder(text) is
    'Returns how the supplier with the key of this name is written in the log of goods in.';

-- The order of sizes ----------------------------------------------------------------------------

create or replace function inventory.size_order(size text) returns text
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    key constant text := inventory.size_key(size);
    parts text[];
begin
    parts := regexp_match(key, '^(?:([0-9]{0,2})(x))?([sml])$');
    if parts is not null then
        return '0' || 500 + case parts[3]
            when 's' then -case parts[2] when 'x' then coalesce(nullif(parts[1], '')::integer, 1) else 0 end
            when 'm' then 1
            else 2 + case parts[2] when 'x' then coalesce(nullif(parts[1], '')::integer, 1) else 0 end end;
    end if;
    -- Months, years, numbers, waist by length: 2-4y before 10-12y.
    parts := regexp_match(key, '^([0-9]{1,9})([.][0-9]+)?(?:[-x]([0-9]{1,9}))?([my]?)$');
    if parts is not null then
        return case parts[4] when 'm' then '1' when 'y' then '2' else case when key like '%x%' then '4' else '3' end end
            || lpad(parts[1], 9, '0') || coalesce(parts[2], '') || '-' || lpad(coalesce(parts[3], '0'), 9, '0');
    end if;
    return case key when 'newborn' then '1' when 'free' then '6' else '5' || key end;
end
$$;
comment on function inventory.size_order(text) is
    'Returns what puts sizes in the order of the trade, compared as bytes: S to 10XL, months, years, numbers, waist by '
    'length, others, FREE.';
