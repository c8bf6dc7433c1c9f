-- Backstitch: the objects of Backstitch in a database, one row per object: kind, name, definition.
--
-- Contract. db/catalog.py runs this query and compares its answer with db/expected.json, the answer of a fresh database
-- (bench/expected.py writes it). It is never installed in the database, because whoever can replace functions there
-- could replace this one. Runs with search_path = pg_catalog, so that names of objects in other schemas come out
-- qualified.
--
-- Limits. The monthly partitions of the trail are left out, but not their triggers, rules, policies, rights and owners.
-- Rights of roles other than Backstitch's are rows of the kind `foreign right`. Comments are not compared.

with schemas as (
    select oid, nspname, nspowner, nspacl from pg_namespace
    where nspname in ('audit', 'accounts', 'inventory', 'runtime')),
relations as (
    select c.*, c.oid::regclass::text as name,
           case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
           exists (select from pg_inherits i
                   where i.inhrelid = c.oid and i.inhparent = to_regclass('audit.records')
                       and c.relname ~ '^records_[0-9]{4}_[0-9]{2}$') as is_month,
           -- The sequence of a column always belongs to the owner of its table.
           exists (select from pg_depend d
                   where c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid
                       and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')) as is_of_column
    from pg_class c
    where (c.relnamespace in (select s.oid from schemas s) and c.relkind in ('r', 'p', 'f', 'm', 'v', 'S'))
        or c.oid in (to_regclass('public.audit_logs'), to_regclass('public.backstitch_code'),
                     to_regclass('public.backstitch_steps'))),
functions as (
    select p.*, p.oid::regprocedure::text as name
    from pg_proc p
    where p.pronamespace in (select s.oid from schemas s)
        -- Not the trigger functions that audit.watch has made for tables in other schemas.
        and not exists (
            select from pg_trigger t
            join pg_class c on c.oid = t.tgrelid
            join pg_namespace n on n.oid = c.relnamespace
            where t.tgfoid = p.oid and n.oid not in (select s.oid from schemas s)
                and t.tgname = 'audit_insert' and p.proname like 'record\_%')),
owned as (
    select 'schema' as kind, nspname::text as name, nspowner as owner, nspacl as acl,
           'n'::"char" as acl_kind, false as is_of_column
    from schemas
    union all
    select kind, name, relowner, relacl, case kind when 'sequence' then 's'::"char" else 'r'::"char" end, is_of_column
    from relations where not is_month or relowner <> to_regrole('backstitch_owner') or relacl is not null
    union all
    select 'function', name, proowner, proacl, 'f', false from functions),
rights as (
    select o.kind, o.name, o.owner, a.grantee, a.privilege_type, a.is_grantable
    from owned o cross join aclexplode(coalesce(o.acl, acldefault(o.acl_kind, o.owner))) a
    union all
    select 'column', format('%s.%I', r.name, c.attname), r.relowner, a.grantee, a.privilege_type, a.is_grantable
    from relations r
    join pg_attribute c on c.attrelid = r.oid and c.attnum > 0 and not c.attisdropped
    cross join aclexplode(c.attacl) a),
named_rights as (
    select r.*, n.role, n.role in ('public', 'backstitch_app', 'backstitch_admin', 'backstitch_manager',
                                   'backstitch_analyst', 'backstitch_viewer', 'backstitch_watch') as is_own
    from rights r
    left join pg_roles g on g.oid = r.grantee
    cross join lateral (
        select case r.grantee when 0 then 'public' else coalesce(g.rolname::text, 'a role that is gone') end) n (role)
    where r.grantee <> r.owner)

select 'schema' as kind, nspname::text as name, '' as definition from schemas
union all
select 'owner', o.kind || ' ' || o.name, o.owner::regrole::text from owned o where not o.is_of_column
union all
select 'right', format('%s on %s %s to %s', r.privilege_type, r.kind, r.name, r.role),
       case when r.is_grantable then 'with grant option' else '' end
from named_rights r where r.is_own
union all
select 'foreign right', format('%s on %s %s to %s', r.privilege_type, r.kind, r.name, r.role), ''
from named_rights r where not r.is_own
union all
select 'function', f.name,
       concat_ws(' ', f.prokind, (select l.lanname from pg_language l where l.oid = f.prolang), f.provolatile,
                 f.proparallel, case when f.prosecdef then 'definer' end, case when f.proisstrict then 'strict' end,
                 case when f.proleakproof then 'leakproof' end, f.proconfig,
                 pg_get_function_arguments(f.oid), pg_get_function_result(f.oid),
                 (select concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.agginitval) from pg_aggregate a
                  where a.aggfnoid = f.oid),
                 -- A body in the SQL standard's form (begin atomic) is stored as a tree; none of Backstitch's functions
                 -- has one.
                 pg_get_function_sqlbody(f.oid), f.prosrc)
from functions f
union all
select 'trigger', format('%I on %s', t.tgname, r.name), pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal
union all
select 'rule', format('%I on %s', w.rulename, r.name), pg_get_ruledef(w.oid)
from pg_rewrite w join relations r on r.oid = w.ev_class where w.rulename <> '_RETURN'
union all
select 'policy', format('%I on %s', p.polname, r.name),
       concat_ws(' ', p.polcmd, case when not p.polpermissive then 'restrictive' end,
                 (select string_agg(case o.role when 0 then 'public' else o.role::regrole::text end, ', '
                                    order by o.role::regrole::text) from unnest(p.polroles) o (role)),
                 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
from pg_policy p join relations r on r.oid = p.polrelid
union all
select 'view', r.name, concat_ws(' ', r.reloptions, pg_get_viewdef(r.oid)) from relations r where r.kind = 'view'
union all
select 'table', r.name, concat_ws(' ', r.relkind, r.relpersistence,
                                  case when r.relrowsecurity then 'row security' end,
                                  case when r.relforcerowsecurity then 'forced' end, pg_get_partkeydef(r.oid))
from relations r where r.kind = 'table' and not r.is_month
union all
-- A month is named when it is not as every month: unlogged it loses its records in a crash.
select 'month', r.name, concat_ws(' and ', case when r.relpersistence <> 'p' then 'unlogged' end,
                                  case when r.relrowsecurity then 'under row security' end)
from relations r where r.is_month and (r.relpersistence <> 'p' or r.relrowsecurity)
union all
select 'child table', c.oid::regclass::text, 'of ' || r.name
from pg_inherits i join relations r on r.oid = i.inhparent join pg_class c on c.oid = i.inhrelid
left join relations m on m.oid = c.oid
where c.relkind in ('r', 'p', 'f') and not coalesce(m.is_month, false)
union all
select 'column', format('%s.%I', r.name, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
                 case when a.attnotnull then 'not null' end,
                 -- The present era is the default of its column; audit.eras says which it has to be.
                 case when (r.name, a.attname) = ('audit.records', 'era') then 'default'
                      else 'default ' || pg_get_expr(d.adbin, d.adrelid) end, nullif(a.attidentity::text, ''),
                 nullif(a.attgenerated::text, ''))
from relations r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where r.kind = 'table' and not r.is_month
union all
select 'constraint', format('%I on %s', c.conname, r.name),
       pg_get_constraintdef(c.oid) || case when c.convalidated then '' else ' not valid' end
       -- A foreign key is as good as the triggers, on both of its tables, that PostgreSQL keeps for it.
       || case when exists (select from pg_trigger t where t.tgconstraint = c.oid and t.tgenabled in ('D', 'R'))
               then ' its triggers off' else '' end
-- Without NOT NULL, which is part of `column` above and a constraint of its own only in PostgreSQL 18.
from pg_constraint c join relations r on r.oid = c.conrelid
where c.contype in ('c', 'f', 'p', 'u', 'x') and not r.is_month
union all
select 'constraint', format('%I of %s', c.conname, c.contypid::regtype), pg_get_constraintdef(c.oid)
from pg_constraint c join pg_type t on t.oid = c.contypid where t.typnamespace in (select s.oid from schemas s)
union all
select 'index', i.indexrelid::regclass::text,
       -- How full the pages of a tree are is its administrator's.
       case when x.reloptions is null or x.relam <> (select m.oid from pg_am m where m.amname = 'btree')
            then pg_get_indexdef(i.indexrelid)
            else regexp_replace(pg_get_indexdef(i.indexrelid), ' WITH \([^)]*\)', '') end
       || case when i.indisvalid and i.indisready then '' else ' invalid' end
from pg_index i join relations r on r.oid = i.indrelid join pg_class x on x.oid = i.indexrelid where not r.is_month
union all
select 'sequence', r.name, concat_ws(' ', q.seqtypid::regtype, 'from', q.seqmin, 'start', q.seqstart, 'to', q.seqmax,
                 'by', q.seqincrement, 'cache', q.seqcache,
                 case when q.seqcycle then 'cycle' end, case when r.relpersistence <> 'p' then 'unlogged' end)
from relations r join pg_sequence q on q.seqrelid = r.oid
union all
select 'type', t.oid::regtype::text,
       case t.typtype
            when 'd' then concat_ws(' ', 'domain over', format_type(t.typbasetype, t.typtypmod),
                                    case when t.typnotnull then 'not null' end, 'default ' || t.typdefault)
            when 'e' then (select concat_ws(' ', 'enum of', string_agg(e.enumlabel, ', ' order by e.enumsortorder))
                           from pg_enum e where e.enumtypid = t.oid)
            when 'r' then (select format('range of %s', g.rngsubtype::regtype) from pg_range g where g.rngtypid = t.oid)
            else (select coalesce(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                                             order by a.attnum), '')
                  from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) end
from pg_type t left join pg_class c on c.oid = t.typrelid
where t.typnamespace in (select s.oid from schemas s) and (t.typtype in ('d', 'e', 'r') or c.relkind = 'c')
union all
-- As a replica the session skips foreign keys and ordinary triggers; as another role it is not what it signed in as.
select 'setting', format('%s of %s', split_part(v, '=', 1), coalesce('role ' || s.setrole::regrole::text, 'everybody')),
       split_part(v, '=', 2)
from (select setconfig, nullif(setrole, 0) as setrole from pg_db_role_setting
      where setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
          and setrole in (0, (select a.oid from pg_roles a where a.rolname = 'backstitch_app'))) s
cross join unnest(s.setconfig) v
where split_part(v, '=', 1) in ('session_replication_role', 'role') and v <> 'session_replication_role=origin'
order by 1, 2
