-- Backstitch: the doctor. Looks for whatever would let a change past the trail, and says what to do about it.
--
-- audit.findings() is what start-up and `python -m backstitch doctor` ask; a definer function, so that the
-- application's login can ask it, which may look at nothing by itself. One function per part; each returns what is
-- wrong. An `error` stops the start; a `warning` is said and does not.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

do $$
begin
    create type audit.finding as (check_name text, severity text, subject text, problem text, advice text);
exception when duplicate_object then null;
end
$$;
comment on type audit.finding is 'What a check found. severity is ok, warning or error; an ok has no subject.';

create or replace function audit.source_is_current(w audit.watched_tables, source text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return source is not distinct from audit.trigger_source(w);
exception when feature_not_supported then
    return false; -- its primary key is not what it was
end
$$;
comment on function audit.source_is_current(audit.watched_tables, text) is
    'Whether a trigger function is the one that audit.watch would make now.';

create or replace function audit.trigger_gap(target regclass, trigger_function oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- tgtype has bits: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
    select string_agg(e.name, ', ' order by e.name)
    from (values ('audit_insert', 4, null, 'new_rows'), ('audit_update', 16, 'old_rows', 'new_rows'),
                 ('audit_delete', 8, 'old_rows', null), ('audit_truncate', 34, null, null)
         ) e (name, kind, old_table, new_table)
    where not exists (
        select from pg_trigger t
        where t.tgrelid = target and t.tgname = e.name and t.tgtype = e.kind and t.tgfoid = trigger_function
            and t.tgenabled = 'A' and t.tgqual is null and t.tgattr = '' and t.tgnargs = 0
            and t.tgoldtable is not distinct from e.old_table::name
            and t.tgnewtable is not distinct from e.new_table::name)
$$;
comment on function audit.trigger_gap(regclass, oid) is
    'Which of the four triggers of a watched table are not there, not ENABLE ALWAYS, or not as audit.watch makes them.';

create or replace function audit.table_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with tables as (
        select c.oid, c.oid::regclass::text as name, c.relkind, c.relpersistence, c.relowner, w,
               p.oid as function_oid, p.prosrc, p.prosecdef, p.proowner, p.proconfig,
               format('run: python -m backstitch psql -c "set role backstitch_owner" -c "select audit.watch(''%s'')"',
                      c.oid::regclass) as watch_again
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join audit.watched_tables w on w.relation = c.oid
        left join pg_proc p on p.pronamespace = 'audit'::regnamespace and p.proname = w.function_name
        where (n.nspname in ('inventory', 'accounts') and c.relkind in ('r', 'p', 'f')) or w.relation is not null)
    select 'tables on the record', 'error', name, 'is not watched, so its changes leave no record', watch_again
    from tables where (w).relation is null
    union all
    select 'tables on the record', 'error', name, 'is not an ordinary, logged table, so changes could pass its triggers',
           'make it an ordinary table (alter table ... set logged), then ' || watch_again
    from tables
    where (w).relation is not null and (relkind <> 'r' or relpersistence <> 'p'
                             or exists (select from pg_inherits i where oid in (i.inhrelid, i.inhparent)))
    union all
    select 'triggers of the trail', 'error', name,
           'is without its triggers ' || audit.trigger_gap(oid, function_oid)
           || ' as they should be (ENABLE ALWAYS, for every statement)', watch_again
    from tables where (w).relation is not null and audit.trigger_gap(oid, function_oid) is not null
    union all
    select 'trigger functions', 'error', name, 'has a trigger function that is not made from its present columns',
           watch_again
    from tables where (w).relation is not null and not audit.source_is_current(w, prosrc)
    union all
    select 'trigger functions', 'error', name, 'has changed its columns since it was last watched', watch_again
    from tables where (w).relation is not null and (w).columns is distinct from audit.present_columns(oid)
    union all
    select 'trigger functions', 'error', name,
           'has a trigger function without the rights, the owner or the settings it should have',
           format('drop function audit.%I() cascade, then ', (w).function_name) || watch_again
    from tables
    where function_oid is not null
        and (not prosecdef or proowner <> relowner or proconfig is distinct from audit.trigger_settings(w))
    union all
    -- An AFTER trigger of one row, or one of a statement that comes before audit_..., can write the row again first.
    select 'order of triggers', 'error', name, format('has a trigger %I that can write rows before they are recorded', t.tgname),
           format('drop it, or make it a statement trigger with a name after audit_: drop trigger %I on %s', t.tgname, name)
    from tables
    join pg_trigger t on t.tgrelid = tables.oid and not t.tgisinternal and t.tgtype & 2 = 0
        and (t.tgtype & 1 = 1 or t.tgname < 'audit_')
    where (w).relation is not null
$$;
comment on function audit.table_findings() is
    'Tables of inventory and accounts, and whatever else is watched, that are not truly on the record.';

create or replace function audit.rule_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select 'triggers of the rules', 'error', e.relation, format('is without its trigger %s', e.name),
           'run the files of db/ as backstitch_owner, then count the stock'
    from (select relation, name, kind, function_name,
                 case when function_name = 'move_stock' then argument else '' end as argument, '' as columns
          from (values ('inventory.inward_logs', '1'), ('inventory.sales_logs', '-1'),
                       ('inventory.stock_adjustments', '1')) l (relation, argument)
          cross join (values ('move_stock_insert', 4, 'move_stock'), ('move_stock_update', 16, 'move_stock'),
                             ('move_stock_delete', 8, 'move_stock'), ('move_stock_truncate', 34, 'refuse_truncate')
                     ) m (name, kind, function_name)
          union all values ('inventory.product_color_stocks', 'check_cell', 31, 'check_cell', '', 'product_id, size'),
                           ('inventory.product_color_stocks', 'follow_own_colour', 23, 'follow_own_colour', '',
                            'is_active'),
                           ('inventory.product_colors', 'follow_colour', 16, 'follow_colour', '', ''),
                           ('inventory.products', 'check_sizes', 23, 'check_sizes', '', 'sizes'),
                           ('inventory.sales_logs', 'check_sale_insert', 4, 'check_sale', '', ''),
                           ('inventory.sales_logs', 'check_sale_update', 16, 'check_sale', '', ''),
                           ('inventory.sales_logs', 'keep_sale_of_order_insert', 7, 'keep_sale_of_order', '', ''),
                           ('inventory.sales_logs', 'keep_sale_of_order_update', 19, 'keep_sale_of_order', '', ''),
                           ('inventory.sales_logs', 'keep_sale_of_order_delete', 11, 'keep_sale_of_order', '', ''),
                           ('inventory.orders', 'check_order', 31, 'check_order', '', ''),
                           ('inventory.orders', 'check_order_party', 23, 'check_order_party', '',
                            'customer_id, agency_id'),
                           ('inventory.orders', 'follow_order', 16, 'follow_order', '', ''),
                           ('inventory.orders', 'orders_not_truncated', 34, 'refuse_truncate', '', ''),
                           ('inventory.order_lines', 'price_line', 7, 'price_line', '', ''),
                           ('inventory.order_lines', 'check_order_lines_insert', 4, 'check_order_lines', '', ''),
                           ('inventory.order_lines', 'check_order_lines_update', 16, 'check_order_lines', '', ''),
                           ('inventory.order_lines', 'check_order_lines_delete', 8, 'check_order_lines', '', ''),
                           ('inventory.order_lines', 'order_lines_not_truncated', 34, 'refuse_truncate', '', ''),
                           ('inventory.customers', 'check_party_unused', 11, 'check_party_unused', '', ''),
                           ('inventory.agencies', 'check_party_unused', 11, 'check_party_unused', '', ''),
                           ('accounts.users', 'end_sessions', 16, 'end_sessions_of_changed_users', '', ''),
                           ('accounts.users', 'keep_an_admin_on_delete', 8, 'keep_an_admin', '', ''),
                           ('accounts.users', 'keep_an_admin_on_update', 16, 'keep_an_admin', '', '')
          union all
          select w.relation::text, m.name, m.kind, 'require_reason', w.entity, ''
          from (select distinct entity from inventory.reason_policies where required) p
          join audit.watched_tables w using (entity)
          cross join (values ('reason_insert', 4), ('reason_update', 16), ('reason_delete', 8)) m (name, kind)
         ) e (relation, name, kind, function_name, argument, columns)
    where not exists (
        select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = to_regclass(e.relation) and t.tgname = e.name and t.tgtype = e.kind
            and p.pronamespace = any (array['inventory', 'accounts']::regnamespace[]) and p.proname = e.function_name
            -- Only the sales of orders are guarded under a condition.
            and t.tgenabled = 'A' and (t.tgqual is null or e.function_name = 'keep_sale_of_order')
            and (e.argument = '' or t.tgargs = convert_to(e.argument, 'UTF8') || '\x00')
            and e.columns = (select coalesce(string_agg(a.attname, ', ' order by k.place), '')
                             from unnest(t.tgattr) with ordinality k (number, place)
                             join pg_attribute a on a.attrelid = t.tgrelid and a.attnum = k.number))
$$;
comment on function audit.rule_findings() is 'Triggers without which the stock would not follow its movements, nor orders, reasons and users their rules.';

create or replace function audit.function_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with functions as (
        select p.*, p.oid::regprocedure::text as name
        from pg_proc p
        where p.pronamespace in ('audit'::regnamespace, 'accounts'::regnamespace, 'inventory'::regnamespace))
    select 'functions', 'error', name, format('belongs to %s', proowner::regrole),
           format('alter function %s owner to backstitch_owner', name)
    from functions f
    -- The trigger function of a table elsewhere belongs to the owner of that table.
    where proowner <> 'backstitch_owner'::regrole
        and not exists (select from audit.watched_tables w join pg_class c on c.oid = w.relation
                        where w.function_name = f.proname and c.relowner = f.proowner
                            and c.relnamespace not in ('accounts'::regnamespace, 'inventory'::regnamespace))
    union all
    select 'functions', 'error', name, 'runs with the rights of its owner and looks for names where others can put them',
           format('alter function %s set search_path = pg_catalog, pg_temp', name)
    from functions
    where prosecdef and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)
    union all
    select 'functions', 'error', name, 'can be run by everybody', format('revoke all on function %s from public', name)
    from functions
    where exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) a
                  where a.grantee = 0 and a.privilege_type = 'EXECUTE')
$$;
comment on function audit.function_findings() is 'Functions of the three schemas that somebody else could bend.';

create or replace function audit.policies(relation oid) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select format('%s to %s using %s', p.polname, roles.names, pg_get_expr(p.polqual, p.polrelid))
        from pg_policy p
        cross join lateral (
            select string_agg(case o.role when 0 then 'public' else o.role::regrole::text end, ', '
                              order by o.role::regrole::text)
            from unnest(p.polroles) o (role)) roles (names)
        where p.polrelid = policies.relation
        order by p.polname)
$$;
comment on function audit.policies(oid) is 'The row-level security of a table: its policies, whom they are for and what they show.';

create or replace function audit.role_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with roles as (
        select r.* from pg_roles r
        where r.rolname in ('backstitch_app', 'backstitch_admin', 'backstitch_manager', 'backstitch_analyst',
                            'backstitch_viewer'))
    select 'roles', 'error', r.rolname::text, p.problem, p.advice
    from roles r
    cross join lateral (
        select format('has the attribute %s', a.name), format('alter role %s no%1$s', r.rolname, a.name)
        from (values ('superuser', r.rolsuper), ('createrole', r.rolcreaterole), ('createdb', r.rolcreatedb),
                     ('replication', r.rolreplication), ('bypassrls', r.rolbypassrls),
                     ('inherit', r.rolinherit and r.rolname = 'backstitch_app'),
                     ('login', r.rolcanlogin and r.rolname <> 'backstitch_app')) a (name, has_it)
        where a.has_it
        union all
        select 'owns something', format('reassign owned by %s to backstitch_owner', r.rolname)
        where exists (select from pg_shdepend d
                      where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o')
        union all
        select format('is a member of %s', g.roleid::regrole), format('revoke %s from %s', g.roleid::regrole, r.rolname)
        from pg_auth_members g
        where g.member = r.oid
            and (r.rolname <> 'backstitch_app' or g.roleid not in (select m.oid from roles m) or g.admin_option)
        union all
        select format('has the rights of %s without being asked', m.rolname),
               format('grant %s to %s with inherit false', m.rolname, r.rolname)
        from roles m where m.oid <> r.oid and pg_has_role(r.oid, m.oid, 'usage') and not r.rolsuper
        union all
        select format('has rights on %s', c.oid::regclass), format('revoke all on %s from %s', c.oid::regclass, r.rolname)
        from pg_class c
        where not r.rolsuper
            and (c.relnamespace in ('audit'::regnamespace, 'runtime'::regnamespace)
                 or c.oid = to_regclass('accounts.sessions'))
            and case when c.relkind = 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
                     when c.relkind in ('r', 'p')
                     then has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
                          or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
                     when c.relkind = 'v'
                     then has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate, trigger') end
        union all
        select 'can read the hashes of passwords', format('revoke select on accounts.users from %s', r.rolname)
        where not r.rolsuper and has_column_privilege(r.oid, 'accounts.users', 'password_hash', 'select')
        union all
        select 'can create objects in the schema ' || n.nspname, format('revoke create on schema %I from %s', n.nspname, r.rolname)
        from pg_namespace n
        where not r.rolsuper and n.nspname in ('audit', 'accounts', 'inventory', 'public')
            and has_schema_privilege(r.oid, n.oid, 'create')
        union all
        select 'can set session_replication_role, which skips ordinary triggers and foreign keys',
               format('revoke set on parameter session_replication_role from %s', r.rolname)
        where not r.rolsuper and has_parameter_privilege(r.oid, 'session_replication_role', 'set')
    ) p (problem, advice)
    union all
    select 'roles', 'warning', c.oid::regclass::text, format('belongs to %s', c.relowner::regrole),
           format('alter table %s owner to backstitch_owner', c.oid::regclass)
    from pg_class c
    where c.relkind in ('r', 'p', 'v') and c.relowner <> all (array(select oid from roles) || 'backstitch_owner'::regrole)
        and (c.relnamespace in ('audit'::regnamespace, 'runtime'::regnamespace) or c.oid = to_regclass('public.audit_logs'))
    union all
    select 'roles', 'error', 'accounts.users', 'shows everybody to the application''s login before anybody has signed in',
           'run db/accounts.sql as backstitch_owner'
    from pg_class c
    where c.oid = 'accounts.users'::regclass and (not c.relrowsecurity or audit.policies(c.oid) <> array[
        'for_other_logins to public using (SESSION_USER <> ''backstitch_app''::name)',
        'for_signed_in to backstitch_admin, backstitch_analyst, backstitch_manager using (( SELECT audit.signed_role() AS '
        'signed_role) = ANY (ARRAY[''backstitch_admin''::text, ''backstitch_manager''::text, ''backstitch_analyst''::text]))'])
$$;
comment on function audit.role_findings() is 'Rights that the application''s login and the roles of its users must not have.';

create or replace function audit.partition_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select 'partitions ahead', 'warning', 'audit.records', format('has no partition for %s', to_char(month, 'YYYY-MM')),
           'start Backstitch with the owner''s login, or run select audit.make_partitions() as backstitch_owner'
    from generate_series(date_trunc('month', now() at time zone 'UTC'),
                         date_trunc('month', now() at time zone 'UTC') + interval '2 months', '1 month') month
    where not exists (
        select from pg_inherits i
        where i.inhparent = 'audit.records'::regclass
            and i.inhrelid = to_regclass('audit.records_' || to_char(month, 'YYYY_MM')))
    union all
    select 'default partition', 'warning', 'audit.records_default',
           'holds records, of months that had no partition; nothing is lost, but reading them is slow',
           format('run as backstitch_owner: select audit.make_partitions(%L, 0), for each month that it has',
                  to_char((select min(recorded_at) from audit.records_default) at time zone 'UTC', 'YYYY-MM-DD'))
    where exists (select from audit.records_default)
$$;
comment on function audit.partition_findings() is 'Months ahead without a partition, and records that fell into the default one.';

create or replace function audit.seal_findings(patience interval default '5 minutes') returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select 'seals', 'warning', 'audit.records',
           format('has records that wait for their seal since %s', date_trunc('second', s.unsealed_since)),
           'run: python -m backstitch seal; if that does not help, look for a transaction left open'
    from audit.sealing_state() s where s.unsealed_since < now() - patience
$$;
comment on function audit.seal_findings(interval) is 'Records that have been waiting for their seal for too long.';

create or replace function audit.findings() returns setof audit.finding
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    with found as (
        select * from audit.table_findings() union all select * from audit.rule_findings()
        union all select * from audit.function_findings() union all select * from audit.role_findings()
        union all select * from audit.partition_findings() union all select * from audit.seal_findings())
    select c.name, coalesce(f.severity, 'ok'), f.subject, f.problem, f.advice
    from unnest(array['tables on the record', 'triggers of the trail', 'trigger functions', 'order of triggers',
                      'triggers of the rules', 'functions', 'roles', 'partitions ahead', 'default partition', 'seals'])
         with ordinality c (name, place)
    left join found f on f.check_name = c.name
    order by c.place, f.subject, f.problem
$$;
comment on function audit.findings() is
    'What the checks found, a row each; one row with the severity ok for a check that found nothing.';

create or replace function audit.personal_findings() returns setof audit.finding
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select 'personal values', 'error', format('record %s', r.id), format('a value of %s does not fit its commitment', f.key),
           'somebody altered audit.personal_values; restore the value from a backup'
    from audit.records r
    cross join lateral (values (r.old_values), (r.new_values)) side (recorded)
    cross join lateral jsonb_each(side.recorded) f
    join audit.personal_values p on p.id = audit.reference_of(f.value)
    where r.entity = any (select w.entity from audit.watched_tables w where w.personal <> '{}')
        -- Nobody puts a reference into details that are recorded on request.
        and r.action not in ('EXPORT', 'IMPORT')
        and audit.commitment(p.salt, p.value) is distinct from f.value ->> 'sha256'
$$;
comment on function audit.personal_findings() is
    'Records whose personal values are not what was recorded. Reads the whole trail of their tables.';

revoke all on all functions in schema audit from public;
grant usage on schema audit to backstitch_app;
grant execute on function audit.findings() to backstitch_app;
