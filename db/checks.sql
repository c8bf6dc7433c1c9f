-- Backstitch: what a well-formed value is, as constraints ask it. Pure functions, made before the tables that use them.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

create or replace function inventory.gstin_valid(gstin text) returns boolean
language sql immutable strict parallel safe
begin atomic
    -- State, PAN, registration of that PAN in the state, one more sign, and the check digit in base 36: values at
    -- even places count twice, and of each product its two digits in base 36 are added.
    select gstin ~ '^(0[1-9]|[12][0-9]|3[0-8])[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}$'
        and substr(gstin, 15, 1) = substr(signs.all_36, (1 + (36 - total.digits % 36) % 36)::integer, 1)
    from (values ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')) signs (all_36)
    cross join lateral (
        select sum(product / 36 + product % 36) as digits
        from (select (strpos(signs.all_36, substr(gstin, place, 1)) - 1) * (2 - place % 2) as product
              from generate_series(1, 14) place) products
    ) total;
end;
comment on function inventory.gstin_valid(text) is 'Whether a GSTIN has the form and the check digit of one.';

create or replace function inventory.financial_year(day date) returns text
language sql immutable strict parallel safe
begin atomic
    select format('%s-%s', began, lpad(((began + 1) % 100)::text, 2, '0'))
    from (select extract(year from day - interval '3 months')::integer as began) year;
end;
comment on function inventory.financial_year(date) is 'The financial year (April to March) of a day, e.g. 2026-27.';

create or replace function inventory.party_refusal(stores text[], agencies text[], store text, agency text)
returns text
language sql immutable parallel safe
begin atomic
    -- An empty list allows everybody. A sale without an agency goes through none that is not allowed.
    select case
        when stores <> '{}' and lower(btrim(store)) not in (select lower(btrim(s)) from unnest(stores) s)
        then 'store_allowed'
        when agencies <> '{}' and btrim(agency) <> ''
            and lower(btrim(agency)) not in (select lower(btrim(a)) from unnest(agencies) a)
        then 'agency_allowed' end;
end;
comment on function inventory.party_refusal(text[], text[], text, text) is
    'The rule by which a product with these allowed stores and agencies does not go to a store; null: it may.';

revoke all on all functions in schema inventory from public;
-- A constraint is checked with the rights of whoever writes the row.
grant execute on function inventory.gstin_valid(text), inventory.financial_year(date)
to backstitch_admin, backstitch_manager;
