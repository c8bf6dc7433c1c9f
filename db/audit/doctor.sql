-- Backstitch: the checks of the doctor that run in the database.
--
-- Contract. Start-up and `python -m backstitch doctor` call audit.findings(), a definer function, because the
-- application's login may not read the trail and its tables. Each other function is one part of the checks and returns
-- what is wrong. An `error` stops the start; a `warning` is shown.
--
-- Locks. None that a writer waits for.
--
-- Limits. Functions in a database are as old as the database, and whoever can alter the trail can replace them. So
-- Python checks from outside (backstitch/doctor.py, db/catalog.sql) that functions, triggers, views, constraints and
-- rights are those of this version.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.source_is_current(w audit.watched_tables, source text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return source is not distinct from audit.trigger_source(w);
exception when feature_not_supported then
    return false; -- the table has lost its integer primary key
end
$$;
comment on function audit.source_is_current(audit.watched_tables, text) is
    'Returns whether the body of a trigger function is the one that audit.watch would generate now.';

create or replace function audit.faulty_triggers(target regclass, trigger_function oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
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
comment on function audit.faulty_triggers(regclass, oid) is
    'Returns which of the four triggers of a watched table are missing, not ENABLE ALWAYS, or not as audit.watch makes '
    'them; null: none.';

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
    select 'tables on the record', 'error', name,
           'is not an ordinary, logged table, so changes could pass its triggers',
           'make it an ordinary table (alter table ... set logged), then ' || watch_again
    from tables
    where (w).relation is not null and (relkind <> 'r' or relpersistence <> 'p'
                             or exists (select from pg_inherits i where oid in (i.inhrelid, i.inhparent)))
    union all
    select 'triggers of the trail', 'error', name,
           'is without its triggers ' || audit.faulty_triggers(oid, function_oid)
           || ' as they should be (ENABLE ALWAYS, for every statement)', watch_again
    from tables where (w).relation is not null and audit.faulty_triggers(oid, function_oid) is not null
    union all
    select 'trigger functions', 'error', name, 'has a trigger function that is not made from its present columns',
           watch_again
    from tables where (w).relation is not null and not audit.source_is_current(w, prosrc)
    union all
    select 'trigger functions', 'error', name, 'has changed its columns since it was last watched', watch_again
    from tables where (w).relation is not null and (w).columns is distinct from audit.recorded_columns(oid)
    union all
    select 'trigger functions', 'error', name,
           'has a trigger function without the rights, the owner or the settings it should have',
           format('drop function audit.%I() cascade, then ', (w).function_name) || watch_again
    from tables
    where function_oid is not null
        and (not prosecdef or proowner <> relowner or proconfig is distinct from audit.trigger_settings(w))
    union all
    -- Triggers fire in the order of their names. An AFTER ROW trigger, or an AFTER STATEMENT trigger with a name before
    -- audit_, can write the row again before it is recorded.
    select 'order of triggers', 'error', name,
           format('has a trigger %I that can write rows before they are recorded', t.tgname),
           format('drop it, or make it a statement trigger with a name after audit_: drop trigger %I on %s',
                  t.tgname, name)
    from tables
    join pg_trigger t on t.tgrelid = tables.oid and not t.tgisinternal and t.tgtype & 2 = 0
        and (t.tgtype & 1 = 1 or t.tgname < 'audit_')
    where (w).relation is not null
$$;
comment on function audit.table_findings() is
    'Returns what keeps tables of inventory and accounts, and any other watched table, from being on the record.';

create or replace function audit.role_findings() returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with roles as (
        select r.* from pg_roles r
        where r.rolname in ('backstitch_app', 'backstitch_admin', 'backstitch_manager', 'backstitch_analyst',
                            'backstitch_viewer', 'backstitch_watch'))
    select 'roles', 'error', r.rolname::text, p.problem, p.advice
    from roles r
    cross join lateral (
        select format('has the attribute %s', a.name), format('alter role %s no%1$s', r.rolname, a.name)
        from (values ('superuser', r.rolsuper), ('createrole', r.rolcreaterole), ('createdb', r.rolcreatedb),
                     ('replication', r.rolreplication), ('bypassrls', r.rolbypassrls),
                     ('inherit', r.rolinherit and r.rolname in ('backstitch_app', 'backstitch_watch')),
                     ('login', r.rolcanlogin and r.rolname not in ('backstitch_app', 'backstitch_watch'))) a (name, has_it)
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
        select 'can create objects in the schema ' || n.nspname,
               format('revoke create on schema %I from %s', n.nspname, r.rolname)
        from pg_namespace n
        where not r.rolsuper and n.nspname in ('audit', 'accounts', 'inventory', 'public')
            and has_schema_privilege(r.oid, n.oid, 'create')
        union all
        select 'can set session_replication_role, which skips ordinary triggers and foreign keys',
               format('revoke set on parameter session_replication_role from %s', r.rolname)
        where not r.rolsuper and has_parameter_privilege(r.oid, 'session_replication_role', 'set')
    ) p (problem, advice)
$$;
comment on function audit.role_findings() is
    'Returns the attributes, memberships and rights that the application''s login and the roles of its users must not '
    'have, and tables of the trail that another role owns.';

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
comment on function audit.partition_findings() is
    'Returns the months ahead without a partition, and whether the default partition holds records.';

create or replace function audit.seal_findings(patience interval default '5 minutes') returns setof audit.finding
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select 'seals', 'warning', 'audit.records',
           format('has records that wait for their seal since %s', date_trunc('second', s.unsealed_since)),
           'run: python -m backstitch seal; if that does not help, look for a transaction left open'
    from audit.sealing_state() s where s.unsealed_since < now() - patience
    union all
    select 'seals', 'error', 'the trail',
           'was restored or moved here, and nothing is sealed before its new era has begun',
           'run: python -m backstitch migrate'
    where audit.is_at_home() is false
    union all
    select 'seals', 'error', 'audit.records',
           format('gives new records era %s, and the present one is %s', coalesce(d.era, 'null'), p.era),
           format('run as backstitch_owner: alter table only audit.records alter column era set default %s', p.era)
    from (select coalesce(max(e.era), 1)::text as era from audit.eras e) p
    left join (select pg_get_expr(d.adbin, d.adrelid) as era
               from pg_attrdef d
               join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
               where a.attrelid = 'audit.records'::regclass and a.attname = 'era') d on true
    where d.era is distinct from p.era
$$;
comment on function audit.seal_findings(interval) is
    'Returns a warning if records have not been sealed for longer than this, and an error if the trail was restored and '
    'its era has not begun, or if new records get another era than the present one.';

create or replace function audit.findings() returns setof audit.finding
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    with found as (
        select * from audit.table_findings() union all select * from audit.role_findings()
        union all select * from audit.partition_findings() union all select * from audit.seal_findings())
    select c.name, coalesce(f.severity, 'ok'), f.subject, f.problem, f.advice
    from unnest(array['tables on the record', 'triggers of the trail', 'trigger functions', 'order of triggers',
                      'roles', 'partitions ahead', 'default partition', 'seals'])
         with ordinality c (name, place)
    left join found f on f.check_name = c.name
    order by c.place, f.subject, f.problem
$$;
comment on function audit.findings() is
    'Returns the findings of all checks, a row each, and one row of severity ok for a check without findings.';

create or replace function audit.personal_findings() returns setof audit.finding
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select 'personal values', 'error', format('record %s', r.id),
           format('a value of %s does not fit its commitment', f.key),
           'somebody altered audit.personal_values; restore the value from a backup'
    from audit.records r
    cross join lateral (values (r.old_values), (r.new_values)) side (recorded)
    cross join lateral jsonb_each(side.recorded) f
    join audit.personal_values p on p.id = audit.personal_value_id(f.value)
    where r.entity = any (select w.entity from audit.watched_tables w where w.personal <> '{}')
        -- The details of these activities come from the application, so a reference in them says nothing.
        and r.action not in ('EXPORT', 'IMPORT')
        and audit.commitment(p.salt, p.value) is distinct from f.value ->> 'sha256'
$$;
comment on function audit.personal_findings() is
    'Returns the records whose personal values do not match the commitment. Reads every record of tables with personal '
    'columns.';
