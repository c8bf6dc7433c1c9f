-- Backstitch: what the server and the database have around the objects of Backstitch, one row each: kind, name,
-- definition, removal, as in catalog.sql. Roles with their attributes and members, default privileges, settings,
-- privileges on parameters, event triggers, replication, and objects that could stand before those of PostgreSQL.
--
-- Contract. db/catalog.py runs this query with catalog.sql and compares its answer with db/expected.json. It is never
-- installed. Runs with search_path = pg_catalog, pg_temp.
--
-- Limits. Roles belong to the server, so another database of the server can have changed them. Whoever may write the
-- catalog's own tables can lie to it.

with schemas as (
    select oid, nspname from pg_namespace where nspname in ('audit', 'accounts', 'inventory', 'runtime')),
database as (
    select oid, datname from pg_database where datname = current_database()),
-- Whoever migrates has made the roles, and a superuser needs none; their names may begin like those of Backstitch.
makers as (
    select r.oid from pg_roles r
    where r.rolname not in ('backstitch_owner', 'backstitch_app', 'backstitch_admin', 'backstitch_manager',
                            'backstitch_analyst', 'backstitch_viewer', 'backstitch_watch')
        and (r.rolsuper
             or r.oid = (select c.relowner from pg_class c where c.oid = to_regclass('public.alembic_version')))),
roles as (
    select r.*, quote_ident(r.rolname) as name from pg_roles r
    where r.rolname like 'backstitch\_%' and r.oid not in (select m.oid from makers m)),
memberships as (
    select m.roleid, m.member, quote_ident(r.rolname) as role, quote_ident(u.rolname) as user,
           -- Before PostgreSQL 16 the role itself says whether it inherits, and a member can always set the role.
           bool_or(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, u.rolinherit)) as inherits,
           bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) as sets,
           bool_or(m.admin_option) as administers,
           array_agg(format('revoke %I from %I granted by %I cascade', r.rolname, u.rolname, g.rolname)
                     order by g.rolname) as revokes
    from pg_auth_members m
    join pg_roles r on r.oid = m.roleid
    join pg_roles u on u.oid = m.member
    left join pg_roles g on g.oid = m.grantor
    where (r.oid in (select o.oid from roles o) or u.oid in (select o.oid from roles o))
        and u.oid not in (select k.oid from makers k)
    group by 1, 2, 3, 4),
settings as (
    select split_part(v, '=', 1) as setting, substr(v, strpos(v, '=') + 1) as value,
           case when s.setrole <> 0 then 'role ' || coalesce(r.name, '') when s.setdatabase = 0 then 'every role'
                else 'everybody' end
           || case when s.setrole <> 0 and s.setdatabase <> 0 then ' in this database' else '' end as holder,
           case when s.setrole = 0 and s.setdatabase = 0 then 'alter role all'
                when s.setrole = 0 then format('alter database %I', d.datname)
                when s.setdatabase = 0 then format('alter role %s', r.name)
                else format('alter role %s in database %I', r.name, d.datname) end as alter
    from pg_db_role_setting s
    cross join database d
    left join roles r on r.oid = s.setrole
    cross join unnest(s.setconfig) v
    where s.setdatabase in (0, d.oid) and (s.setrole = 0 or r.oid is not null)
        -- The start sets the time zone of the business.
        and not (s.setrole = 0 and s.setdatabase <> 0 and lower(v) like 'timezone=%')
        and v <> 'session_replication_role=origin'),
-- PostgreSQL's own objects have numbers below 16384.
strangers as (
    select 'cast' as kind, format('from %s to %s', t.source, t.target) as name, p.proowner as owner,
           format('drop cast (%s as %s)', t.source, t.target) as removal, 'pg_cast'::regclass as catalog, c.oid
    from pg_cast c
    cross join lateral (select format_type(c.castsource, null), format_type(c.casttarget, null)) t (source, target)
    left join pg_proc p on p.oid = c.castfunc
    join pg_type a on a.oid = c.castsource
    join pg_type b on b.oid = c.casttarget
    where c.oid >= 16384 and (a.oid < 16384 or a.typnamespace in (select s.oid from schemas s))
        and (b.oid < 16384 or b.typnamespace in (select s.oid from schemas s))
    union all
    select 'operator', s.name, o.oprowner, 'drop operator ' || s.name, 'pg_operator'::regclass, o.oid
    from pg_operator o
    join pg_namespace n on n.oid = o.oprnamespace
    left join pg_type a on a.oid = o.oprleft
    join pg_type b on b.oid = o.oprright
    cross join lateral (
        select format('%I.%s (%s, %s)', n.nspname, o.oprname, coalesce(format_type(a.oid, null), 'none'),
                      format_type(b.oid, null))) s (name)
    where o.oid >= 16384 and n.nspname in ('pg_catalog', 'public')
        and (coalesce(a.oid, 0) < 16384 or a.typnamespace in (select s.oid from schemas s))
        and (b.oid < 16384 or b.typnamespace in (select s.oid from schemas s))
    union all
    select 'system function', s.name, p.proowner, 'drop routine ' || s.name, 'pg_proc'::regclass, p.oid
    from pg_proc p
    cross join lateral (
        select format('pg_catalog.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))) s (name)
    where p.oid >= 16384 and p.pronamespace = 'pg_catalog'::regnamespace
    union all
    select 'system table', format('pg_catalog.%I', c.relname), c.relowner,
           format('drop %s pg_catalog.%I', case c.relkind when 'v' then 'view' else 'table' end, c.relname),
           'pg_class'::regclass, c.oid
    from pg_class c
    where c.oid >= 16384 and c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v', 'p', 'f', 'm'))

select 'role' as kind, r.name,
       concat_ws(' ', case when r.rolcanlogin then 'login' end, case when r.rolinherit then 'inherit' end,
                 case when r.rolsuper then 'superuser' end, case when r.rolcreaterole then 'createrole' end,
                 case when r.rolcreatedb then 'createdb' end, case when r.rolreplication then 'replication' end,
                 case when r.rolbypassrls then 'bypassrls' end, case when r.rolconnlimit = 0 then 'no-connections' end,
                 case when r.rolvaliduntil < now() then 'expired' end) as definition,
       array[format('drop role %s', r.name)] as removal
from roles r
union all
select 'member', m.user || ' of ' || m.role,
       concat_ws(' ', case when m.inherits then 'inherit' end, case when m.sets then 'set' end,
                 case when m.administers then 'admin' end), m.revokes
from memberships m
union all
select 'default right',
       format('%s on %s of %s%s to %s', a.privilege_type, k.things, d.defaclrole::regrole, k.place, k.grantee), '',
       array[format('alter default privileges for role %s%s revoke %s on %s from %s', d.defaclrole::regrole, k.place,
                    a.privilege_type, k.things, k.grantee)]
from pg_default_acl d
left join pg_namespace n on n.oid = d.defaclnamespace
cross join aclexplode(d.defaclacl) a
cross join lateral (
    select case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
           ' in schema ' || quote_ident(n.nspname),
           case when a.grantee = 0 then 'public' else a.grantee::regrole::text end) k (things, place, grantee)
where a.grantee <> d.defaclrole
    and (n.oid in (select s.oid from schemas s)
         or n.oid is null and d.defaclrole = to_regrole('backstitch_owner')
         or exists (select from roles r where r.oid = a.grantee))
    -- What everybody has unless it is taken away.
    and not (n.oid is null and a.grantee = 0 and d.defaclobjtype in ('f', 'T'))
union all
select 'setting', format('%s of %s', s.setting, s.holder), s.value, array[format('%s reset %s', s.alter, s.setting)]
from settings s
union all
select 'parameter right', format('%s on %s to %s', a.privilege_type, p.parname,
                                 case when a.grantee = 0 then 'public' else a.grantee::regrole::text end), '',
       array[format('revoke %s on parameter %s from %s cascade', a.privilege_type, p.parname,
                    case when a.grantee = 0 then 'public' else a.grantee::regrole::text end)]
from pg_parameter_acl p cross join aclexplode(p.paracl) a
where a.grantee <> 10
    and (a.privilege_type = 'ALTER SYSTEM'
         or p.parname in ('session_replication_role', 'allow_system_table_mods', 'zero_damaged_pages',
                          'ignore_checksum_failure', 'ignore_system_indexes', 'session_preload_libraries',
                          'dynamic_library_path', 'lo_compat_privileges'))
union all
-- Those of Backstitch itself, which only a superuser can make, come out when they are not as they are made.
select 'event trigger', quote_ident(e.evtname),
       concat_ws(' ', 'on', e.evtevent, 'calls', e.evtfoid::regprocedure, 'enabled', e.evtenabled,
                 (select 'of extension ' || x.extname from pg_depend p join pg_extension x on x.oid = p.refobjid
                  where p.classid = 'pg_event_trigger'::regclass and p.objid = e.oid and p.deptype = 'e')),
       case when e.evtname in ('backstitch_watch_ddl', 'backstitch_watch_drop')
                 and p.pronamespace = to_regnamespace('audit')
            then array[format('alter event trigger %I enable always', e.evtname),
                       format('alter event trigger %I owner to current_user', e.evtname)]
            else array[format('drop event trigger %I', e.evtname)] end
from pg_event_trigger e
join pg_roles o on o.oid = e.evtowner
join pg_proc p on p.oid = e.evtfoid
where not ((e.evtname, e.evtevent) in (('backstitch_watch_ddl', 'ddl_command_end'), ('backstitch_watch_drop', 'sql_drop'))
           and e.evtenabled = 'A' and e.evttags is null and o.rolsuper
           and p.oid = to_regprocedure('audit.note_definitions()'))
union all
select 'publication', quote_ident(p.pubname), '', array[format('drop publication %I', p.pubname)]
from pg_publication p
where exists (select from pg_publication_tables t
              where t.pubname = p.pubname and t.schemaname in (select s.nspname from schemas s))
union all
-- It applies rows without statement triggers.
select 'subscription', quote_ident(s.subname), '',
       array[format('alter subscription %I disable', s.subname),
             format('alter subscription %I set (slot_name = none)', s.subname),
             format('drop subscription %I', s.subname)]
from pg_subscription s
where s.subdbid = (select d.oid from database d)
    and exists (select from pg_subscription_rel r join pg_class c on c.oid = r.srrelid
                where r.srsubid = s.oid and c.relnamespace in (select n.oid from schemas n))
union all
select s.kind, s.name, case when s.owner = 10 then 'of the first superuser' else '' end, array[s.removal]
from strangers s
where not exists (select from pg_depend p where p.classid = s.catalog and p.objid = s.oid and p.deptype = 'e')
union all
select 'system functions', 'PostgreSQL',
       md5(string_agg(concat_ws(' ', p.oid, p.prosrc, p.prolang, p.prosecdef, p.proconfig, p.proargtypes, p.prorettype,
                                p.provolatile, p.proisstrict, p.prosupport::oid), '|' order by p.oid)), null
from pg_proc p where p.oid < 16384 and p.pronamespace = 'pg_catalog'::regnamespace
order by 1, 2
