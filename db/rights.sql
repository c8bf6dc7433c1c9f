-- Backstitch: rights. What is not granted here is backstitch_owner's alone.
--
-- Contract. First all rights are revoked from public and from the roles of Backstitch, then those below are granted, so
-- this file is the whole truth about these roles. Rights that an administrator has granted to other logins (to read for
-- a report, say) stay. Rules about single rows are in db/audit/reading.sql (the trail) and db/accounts/people.sql
-- (users).
--
-- Locks. GRANT and REVOKE lock only catalog rows.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner, last of all.

do $$
declare
    target text;
begin
    -- What belongs to another role is an administrator's own, and who may do what with it is not said here.
    for target in
        select format('%s %s', case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass) from pg_class c
        where c.relnamespace = any ('{audit, accounts, inventory, runtime}'::regnamespace[])
            and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relowner = 'backstitch_owner'::regrole
            -- A monthly partition has no rights unless somebody has granted some.
            and (not c.relispartition or c.relacl is not null)
        union all
        select 'routine ' || string_agg(p.oid::regprocedure::text, ', ') from pg_proc p
        where p.pronamespace = any ('{audit, accounts, inventory, runtime}'::regnamespace[])
            and p.proowner = 'backstitch_owner'::regrole
    loop
        execute format('revoke all on %s from public, backstitch_app, backstitch_admin, backstitch_manager, '
                       'backstitch_analyst, backstitch_viewer, backstitch_watch', target);
    end loop;
end
$$;
revoke all on schema audit, accounts, inventory, runtime
    from public, backstitch_app, backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer,
         backstitch_watch;
revoke all on public.audit_logs, public.backstitch_code, public.backstitch_steps
    from public, backstitch_app, backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer,
         backstitch_watch;

-- The application's login: the version of the database, sign-in, and the duty of its process (sealing).

grant select on public.backstitch_code, public.backstitch_steps to backstitch_app;
grant usage on schema audit, accounts to backstitch_app;
grant execute on function
    accounts.demo_accounts(),
    accounts.password_salt(text),
    accounts.locked_until(text, text, inet),
    accounts.sign_in(text, text, text, inet, text, interval, interval, text),
    accounts.sign_in_by_provider(text, text, text, timestamptz, text, inet, text, interval, interval),
    accounts.begin(text, text, text, text, text),
    accounts.seen(text),
    accounts.why_ended(text, bigint),
    audit.seal(),
    audit.note_interruptions(text)
to backstitch_app;

-- Every signed-in user: their own account, and reading the inventory.

grant usage on schema accounts, inventory to
    backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant execute on function
    accounts.me(), accounts.sign_out(), accounts.end_sessions(bigint, bigint), accounts.live_sessions(boolean),
    accounts.my_activity(integer), accounts.change_password(text, text)
to backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
do $$
begin
    execute (select format('grant select on %s to backstitch_admin, backstitch_manager, backstitch_analyst, '
                           'backstitch_viewer', string_agg(c.oid::regclass::text, ', '))
             from pg_class c
             where c.relnamespace = 'inventory'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
                 and c.relowner = 'backstitch_owner'::regrole);
end
$$;

grant usage on schema runtime to backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant select on runtime.name_keys to backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;

-- A constraint calls it with the rights of whoever writes a product. That a viewer does not is for audit.require_right
-- to say, when a statement has changed its role half-way.
grant execute on function
    inventory.texts_short(text[], integer, integer),
    -- Indexes and searches of names call these.
    inventory.plain_name(text), inventory.name_key(text), inventory.sku_key(text), inventory.size_key(text),
    inventory.size_order(text),
    inventory.key_of(text, text), inventory.known_customer(text), inventory.known_store(text),
    inventory.known_agency(text), inventory.known_stakeholder(text)
to backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;

-- Managers and admins: writing the inventory. Not the quantity of a cell, nor the number and the financial year of an
-- order, nor the counters of orders: triggers write those.

grant insert, update, delete on
    inventory.products, inventory.product_colors, inventory.inward_logs, inventory.sales_logs,
    inventory.stock_adjustments, inventory.customers, inventory.agencies, inventory.order_lines
to backstitch_admin, backstitch_manager;
grant insert (product_id, colour_code, size), update (is_active), delete on inventory.product_color_stocks
to backstitch_admin, backstitch_manager;
grant insert, delete, update (date, customer_id, agency_id, status, dispatch_date, note) on inventory.orders
to backstitch_admin, backstitch_manager;
grant insert, delete, update (columns, date_order) on inventory.sheet_layouts
to backstitch_admin, backstitch_manager;
-- Constraints and invoker triggers call functions with the rights of whoever writes the row.
grant execute on function
    inventory.gstin_valid(text), inventory.financial_year(date), inventory.cell_used(bigint, text, text),
    audit.undo_steps(bigint, timestamptz, bigint), audit.undo(bigint, timestamptz, bigint)
to backstitch_admin, backstitch_manager;

-- Managers, analysts and admins: the records of the trail that they may see, and recording exports and imports.

grant usage on schema audit to backstitch_admin, backstitch_manager, backstitch_analyst;
grant select on audit.trail, public.audit_logs to backstitch_admin, backstitch_manager, backstitch_analyst;
grant select (id, email, name, role, is_active, must_change_password) on accounts.users
to backstitch_admin, backstitch_manager, backstitch_analyst;
grant execute on function
    accounts.reads_trail(), accounts.reads_whole_trail(), audit.signed_role(), audit.revealed(jsonb, jsonb),
    audit.record_activity(text, text, bigint, jsonb), audit.checkpoint()
to backstitch_admin, backstitch_manager, backstitch_analyst;

-- Admins: users, reason policies, and deleting records of the trail.

grant insert (email, name, role, password_hash, is_active, must_change_password),
      update (email, name, role, password_hash, is_active, must_change_password)
on accounts.users to backstitch_admin;
grant insert, update, delete on inventory.reason_policies to backstitch_admin;
grant execute on function
    accounts.forget_user(bigint, text), inventory.forget_customer(bigint, text), inventory.forget_agency(bigint, text),
    accounts.locked_users(), accounts.unlock(bigint),
    audit.delete_records(timestamptz, text, timestamptz, text[])
to backstitch_admin;

-- The login that watches (verify, replay, the doctor): it reads the raw records, the seals and the tables on the record,
-- past every view, and no secret: neither the signing key nor the hashes of passwords and tokens.

grant select on public.backstitch_code, public.backstitch_steps to backstitch_watch;
grant usage on schema audit, accounts, inventory to backstitch_watch;
grant select on
    audit.records, audit.records_default, audit.eras, audit.seals, audit.deletions, audit.baselines,
    audit.personal_values, audit.watched_tables, audit.guards
to backstitch_watch;
do $$
begin
    -- The sequences: one that is set back below the ids of its table is a finding.
    execute (select format('grant select on sequence %s to backstitch_watch', string_agg(c.oid::regclass::text, ', '))
             from pg_class c
             where c.relnamespace = any ('{audit, accounts, inventory}'::regnamespace[]) and c.relkind = 'S'
                 and c.relowner = 'backstitch_owner'::regrole);
    execute (select format('grant select on %s to backstitch_watch', string_agg(c.oid::regclass::text, ', '))
             from pg_class c
             where c.relnamespace = 'inventory'::regnamespace and c.relkind in ('r', 'p')
                 and c.relowner = 'backstitch_owner'::regrole);
    execute (select string_agg(format('grant select (%s) on %s to backstitch_watch', columns, name), '; ')
             from (select c.oid::regclass as name, string_agg(format('%I', a.attname), ', ' order by a.attnum) as columns
                   from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   where c.oid = any ('{accounts.users, accounts.sessions}'::regclass[])
                       and a.attname <> all ('{password_hash, token_hash}')
                   group by c.oid) readable);
end
$$;
