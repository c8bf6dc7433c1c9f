-- Backstitch: customers and agencies. To whom a product may go, who may be deleted, and how one is forgotten.
--
-- Contract. A product with allowed stores or agencies goes only to them (inventory.party_refusal). A customer or agency
-- with orders or sales is never deleted, only deactivated. Forgetting one replaces its name, empties its other personal
-- columns and erases their earlier values; no record of the trail changes (audit/personal.sql).
--
-- Locks. Forgetting holds the row; of a deleted party, the table, so that no undo inserts the row again meanwhile.
--
-- Limits.
--   * The sales log has stores and agencies by name, so a renamed one counts as another for its earlier sales.
--   * Names that were typed elsewhere (the store and the agency of a sale, allowed stores and agencies of a product,
--     notes, reasons) stay when a party is forgotten. The functions count the records that have one.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function inventory.party_refusal(stores text[], agencies text[], store text, agency text)
returns text
language sql immutable parallel safe
as $$
    -- An empty list allows everybody. Allowed agencies do not forbid a sale without an agency.
    select case
        when stores <> '{}'
            and inventory.name_key(store) not in (select inventory.name_key(s) from unnest(stores) s)
        then 'store_allowed'
        when agencies <> '{}' and btrim(agency) <> ''
            and inventory.name_key(agency) not in (select inventory.name_key(a) from unnest(agencies) a)
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
            or exists (select from inventory.sales_logs l
                       where inventory.name_key(l.store) = inventory.name_key(to_jsonb(old) ->> 'store_name'))
        then
            raise exception 'customer % has orders or sales', old.id
                using errcode = 'restrict_violation', constraint = 'customer_unused',
                      hint = 'Deactivate the customer: set is_active = false.';
        end if;
    elsif exists (select from inventory.orders o where o.agency_id = old.id)
        or exists (select from inventory.sales_logs l
                   where l.agency <> ''
                       and inventory.name_key(l.agency) = inventory.name_key(to_jsonb(old) ->> 'agency_name'))
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

-- Forgetting ------------------------------------------------------------------------------------

create or replace function inventory.require_party_to_forget(entity text, party_id bigint) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from audit.personal_values p
                   where p.entity = require_party_to_forget.entity and p.entity_id = party_id)
    then
        raise exception 'nothing is kept about % %', entity, party_id
            using errcode = 'no_data_found', constraint = 'forget_known_party';
    end if;
end
$$;
comment on function inventory.require_party_to_forget(text, bigint) is
    'Refuses to forget a party that has no personal value: there is none, or it was deleted and forgotten.';

create or replace function inventory.forget_customer(customer_id bigint, reason text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    pseudonym constant text := format('Forgotten customer %s', customer_id);
    known_as text[];
begin
    perform audit.require_execute('inventory.forget_customer(bigint, text)');
    perform from inventory.customers p where p.id = customer_id for no key update;
    if not found then
        lock table inventory.customers in share row exclusive mode;
    end if;
    known_as := audit.values_to_forget('Customer', customer_id, pseudonym);
    perform inventory.require_party_to_forget('Customer', customer_id);
    perform audit.require_reason_to_forget(actor, 'Customer', customer_id, reason, known_as);

    update inventory.customers p
    set store_name = pseudonym, gst_number = null, phone = null, address = '', pincode = null, is_active = false
    where p.id = customer_id;
    return audit.record_forgotten(
        actor, 'Customer', customer_id, reason,
        audit.erase_personal_values('Customer', customer_id, array[pseudonym]), known_as);
end
$$;
comment on function inventory.forget_customer(bigint, text) is
    'Replaces the name of a customer by a pseudonym, empties its other personal columns, deactivates it and erases the '
    'personal values to which the trail refers; of a deleted one, only the latter. Returns how many records still '
    'mention one of the values in free text. For admins, with a reason.';

create or replace function inventory.forget_agency(agency_id bigint, reason text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    pseudonym constant text := format('Forgotten agency %s', agency_id);
    known_as text[];
begin
    perform audit.require_execute('inventory.forget_agency(bigint, text)');
    perform from inventory.agencies p where p.id = agency_id for no key update;
    if not found then
        lock table inventory.agencies in share row exclusive mode;
    end if;
    known_as := audit.values_to_forget('Agency', agency_id, pseudonym);
    perform inventory.require_party_to_forget('Agency', agency_id);
    perform audit.require_reason_to_forget(actor, 'Agency', agency_id, reason, known_as);

    update inventory.agencies p
    set agency_name = pseudonym, owner_mobile = null, accounts_mobile = null, gst_number = null, address = '',
        pincode = null, is_active = false
    where p.id = agency_id;
    return audit.record_forgotten(
        actor, 'Agency', agency_id, reason,
        audit.erase_personal_values('Agency', agency_id, array[pseudonym]), known_as);
end
$$;
comment on function inventory.forget_agency(bigint, text) is
    'Replaces the name of an agency by a pseudonym, empties its other personal columns, deactivates it and erases the '
    'personal values to which the trail refers; of a deleted one, only the latter. Returns how many records still '
    'mention one of the values in free text. For admins, with a reason.';
