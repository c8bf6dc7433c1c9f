-- Backstitch: customers and agencies. To whom a product may go, and who may be deleted.
--
-- Contract. A product with allowed stores or agencies goes only to them (inventory.party_refusal). A customer or agency
-- with orders or sales is never deleted, only deactivated.
--
-- Locks. None.
--
-- Limits. The sales log has stores and agencies by name, so a renamed one counts as another for its earlier sales.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.party_refusal(stores text[], agencies text[], store text, agency text)
returns text
language sql immutable parallel safe
as $$
    -- An empty list allows everybody. Allowed agencies do not forbid a sale without an agency.
    select case
        when stores <> '{}' and lower(btrim(store)) not in (select lower(btrim(s)) from unnest(stores) s)
        then 'store_allowed'
        when agencies <> '{}' and btrim(agency) <> ''
            and lower(btrim(agency)) not in (select lower(btrim(a)) from unnest(agencies) a)
        then 'agency_allowed' end
$$;
comment on function inventory.party_refusal(text[], text[], text, text) is
    'Returns the constraint (store_allowed or agency_allowed) that a sale to this store through this agency breaks, '
    'for a product with these allowed stores and agencies; null if it breaks none.';

create or replace function inventory.check_party_unused() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- Orders refer to customers and agencies by id, the sales log by name.
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
comment on function inventory.check_party_unused() is
    'Refuses to delete a customer or an agency with orders or sales.';

create or replace trigger check_party_unused before delete on inventory.customers
    for each row execute function inventory.check_party_unused();
create or replace trigger check_party_unused before delete on inventory.agencies
    for each row execute function inventory.check_party_unused();

alter table inventory.customers enable always trigger check_party_unused;
alter table inventory.agencies enable always trigger check_party_unused;
