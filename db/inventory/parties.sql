-- Backstitch: customers and agencies: whom a product goes to, and who stays.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.party_refusal(stores text[], agencies text[], store text, agency text)
returns text
language sql immutable parallel safe
as $$
    -- An empty list allows everybody. A sale without an agency goes through none that is not allowed.
    select case
        when stores <> '{}' and lower(btrim(store)) not in (select lower(btrim(s)) from unnest(stores) s)
        then 'store_allowed'
        when agencies <> '{}' and btrim(agency) <> ''
            and lower(btrim(agency)) not in (select lower(btrim(a)) from unnest(agencies) a)
        then 'agency_allowed' end
$$;
comment on function inventory.party_refusal(text[], text[], text, text) is
    'The rule by which a product with these allowed stores and agencies does not go to a store; null: it may.';

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
