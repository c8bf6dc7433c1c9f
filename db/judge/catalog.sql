-- Backstitch: the objects of Backstitch in a database, one row per object: kind, name, definition, removal.
--
-- Contract. db/catalog.py runs this query and compares its answer with db/expected.json, the answer of a fresh database
-- (bench/expected.py writes it). It is never installed in the database, because whoever can replace functions there
-- could replace this one. Runs with search_path = pg_catalog, pg_temp, so that names of objects in other schemas come
-- out qualified. `removal` has the statements that take the object away, for the advice of the doctor; null where that
-- is no matter of statements.
--
-- Limits. Of the monthly partitions of the trail only what is not as in every month comes out. Rights of roles other
-- than Backstitch's are rows of the kind `foreign right`. Comments are not compared.

with schemas as (
    select oid, nspname, nspowner, nspacl from pg_namespace
    where nspname in ('audit', 'accounts', 'inventory', 'runtime')),
the_owner as (select to_regrole('backstitch_owner') as oid),
relations as (
    select c.*, c.oid::regclass::text as name,
           case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
           case when c.relowner = (select o.oid from the_owner o) then array['set role backstitch_owner'] else '{}' end
               as as_owner,
           exists (select from pg_inherits i
                   where i.inhrelid = c.oid and i.inhparent = to_regclass('audit.records')
                       and c.relname ~ '^records_[0-9]{4}_[0-9]{2}$') as is_month,
           -- The sequence of a column always belongs to the owner of its table.
           (select format('%s.%I', d.refobjid::regclass, a.attname)
            from pg_depend d
            join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid
                and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')) as of_column
    from pg_class c
    where (c.relnamespace in (select s.oid from schemas s) and c.relkind in ('r', 'p', 'f', 'm', 'v', 'S'))
        or c.oid in (to_regclass('public.audit_logs'), to_regclass('public.backstitch_code'),
                     to_regclass('public.backstitch_steps'), to_regclass('public.alembic_version'))),
functions as (
    select p.*, p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace in (select s.oid from schemas s)),
types as (
    select t.*, t.oid::regtype::text as name, c.relkind
    from pg_type t left join pg_class c on c.oid = t.typrelid
    where t.typnamespace in (select s.oid from schemas s) and (t.typtype in ('d', 'e', 'r') or c.relkind = 'c')),
owned as (
    select 'schema' as kind, quote_ident(nspname) as name, nspowner as owner, nspacl as acl, 'n'::"char" as acl_kind
    from schemas
    union all
    select kind, name, relowner, relacl, case kind when 'sequence' then 's'::"char" else 'r'::"char" end
    from relations where not is_month or relowner is distinct from (select o.oid from the_owner o) or relacl is not null
    union all
    select 'function', name, proowner, proacl, 'f' from functions),
acls as (
    select o.kind, o.name, null::text as column_name, o.owner, a.*
    from owned o cross join aclexplode(coalesce(o.acl, acldefault(o.acl_kind, o.owner))) a
    union all
    select 'column', r.name, quote_ident(c.attname), r.relowner, a.*
    from relations r
    join pg_attribute c on c.attrelid = r.oid and c.attnum > 0 and not c.attisdropped
    cross join aclexplode(c.attacl) a
    union all
    -- Of the schema public and of the database itself, the right to create: who has it can put something before the
    -- names that a statement uses.
    select 'schema', 'public', null, n.nspowner, a.*
    from pg_namespace n cross join aclexplode(n.nspacl) a
    where n.nspname = 'public' and a.privilege_type = 'CREATE'
    union all
    select 'database', quote_ident(d.datname), null, d.datdba, a.*
    from pg_database d cross join aclexplode(d.datacl) a
    where d.datname = current_database() and a.privilege_type = 'CREATE'
        -- The first migration needs it; a copy of a database comes without.
        and a.grantee is distinct from (select o.oid from the_owner o)),
rights as (
    select a.kind, a.privilege_type, a.is_grantable, a.grantor not in (a.owner, 0) as is_handed_on,
           case when a.grantee = 0 then 'public' else coalesce(quote_ident(g.rolname), 'a role that is gone') end
               as role,
           a.grantee = 0
               or g.rolname in ('backstitch_app', 'backstitch_admin', 'backstitch_manager', 'backstitch_analyst',
                                'backstitch_viewer', 'backstitch_watch', 'backstitch_owner') as is_own,
           quote_ident(b.rolname) as by_role,
           format(case a.kind when 'database' then '%s' else '%s %s' end,
                  a.kind, concat_ws('.', a.name, a.column_name)) as target,
           format('revoke %s%s on %s %s from %s cascade', a.privilege_type, ' (' || a.column_name || ')',
                  case a.kind when 'view' then 'table' when 'column' then 'table' when 'function' then 'routine'
                              else a.kind end,
                  a.name, case when a.grantee = 0 then 'public' else quote_ident(g.rolname) end) as revoke
    from acls a
    left join pg_roles g on g.oid = a.grantee
    left join pg_roles b on b.oid = a.grantor
    where a.grantee <> a.owner)

select 'schema' as kind, nspname::text as name, '' as definition, null::text[] as removal from schemas
union all
select 'owner', o.kind || ' ' || o.name,
       -- Alembic's table belongs to whoever migrates.
       case when o.name = 'public.alembic_version' and o.owner::regrole::text not in (
                'backstitch_app', 'backstitch_admin', 'backstitch_manager', 'backstitch_analyst', 'backstitch_viewer',
                'backstitch_watch')
            then 'the login that migrates' else o.owner::regrole::text end,
       null
from (select kind, name, owner from owned
      union all
      select 'type', name, typowner from types) o
where not exists (select from relations r where r.kind = 'sequence' and r.name = o.name and r.of_column is not null)
union all
select case when r.is_own then 'right' else 'foreign right' end,
       format('%s on %s to %s', r.privilege_type, r.target, r.role)
       || case when r.is_handed_on then ' by ' || r.by_role else '' end,
       case when r.is_grantable then 'with grant option' else '' end,
       case when r.is_handed_on then array['set role ' || r.by_role, r.revoke] else array[r.revoke] end
from rights r
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
                 pg_get_function_sqlbody(f.oid), f.prosrc),
       array['drop routine ' || f.name]
from functions f
union all
select 'trigger', format('%I on %s', t.tgname, r.name), pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text,
       r.as_owner || format('drop trigger %I on %s', t.tgname, r.name)
from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal
union all
select 'rule', format('%I on %s', w.rulename, r.name), pg_get_ruledef(w.oid),
       r.as_owner || format('drop rule %I on %s', w.rulename, r.name)
from pg_rewrite w join relations r on r.oid = w.ev_class where w.rulename <> '_RETURN'
union all
select 'policy', format('%I on %s', p.polname, r.name),
       concat_ws(' ', p.polcmd, case when not p.polpermissive then 'restrictive' end,
                 (select string_agg(case o.role when 0 then 'public' else o.role::regrole::text end, ', '
                                    order by o.role::regrole::text) from unnest(p.polroles) o (role)),
                 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)),
       r.as_owner || format('drop policy %I on %s', p.polname, r.name)
from pg_policy p join relations r on r.oid = p.polrelid
union all
select 'view', r.name, concat_ws(' ', r.reloptions, pg_get_viewdef(r.oid)), array['drop view ' || r.name]
from relations r where r.kind = 'view'
union all
select 'table', r.name, concat_ws(' ', r.relkind, r.relpersistence,
                                  case when r.relrowsecurity then 'row security' end,
                                  case when r.relforcerowsecurity then 'forced' end, pg_get_partkeydef(r.oid)),
       array[format('drop %s %s', case r.relkind when 'm' then 'materialized view' when 'f' then 'foreign table'
                                                 else 'table' end, r.name)]
from relations r where r.kind = 'table' and not r.is_month
union all
-- A month is named when it is not as every month: unlogged it loses its records in a crash.
select 'month', r.name, concat_ws(' and ', case when r.relpersistence <> 'p' then 'unlogged' end,
                                  case when r.relrowsecurity or r.relforcerowsecurity then 'under row security' end),
       r.as_owner || format('alter table %s set logged, disable row level security, no force row level security',
                            r.name)
from relations r where r.is_month and (r.relpersistence <> 'p' or r.relrowsecurity or r.relforcerowsecurity)
union all
select 'child table', c.oid::regclass::text, 'of ' || r.name,
       array[format(case when r.relkind = 'p' then 'alter table %2$s detach partition %1$s'
                         else 'alter table %1$s no inherit %2$s' end, c.oid::regclass, r.name)]
from pg_inherits i join relations r on r.oid = i.inhparent join pg_class c on c.oid = i.inhrelid
left join relations m on m.oid = c.oid
where c.relkind in ('r', 'p', 'f') and not coalesce(m.is_month, false)
union all
-- A statement on the parent changes rows of the child without firing the statement triggers of the child.
select 'parent table', i.inhparent::regclass::text, 'of ' || r.name,
       array[format('alter table %s no inherit %s', r.name, i.inhparent::regclass)]
from pg_inherits i join relations r on r.oid = i.inhrelid
where r.kind = 'table' and not r.relispartition and i.inhparent not in (select p.oid from relations p)
union all
select 'column', format('%s.%I', r.name, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
                 case when a.attnotnull then 'not null' end),
       r.as_owner || format('alter table %s drop column %I', r.name, a.attname)
from relations r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where r.kind = 'table' and not r.is_month
union all
-- What a row is given that a statement does not name. Of a month only what its table does not have.
select 'default', format('%s.%I', r.name, a.attname),
       concat_ws(' ', case when a.attidentity <> '' then 'identity ' || a.attidentity::text end,
                 case when a.attgenerated <> '' then 'generated ' || a.attgenerated::text end,
                 -- The present era is the default of its column; audit.eras says which it has to be.
                 case when (r.name, a.attname) = ('audit.records', 'era') and e.source ~ '^\d+$'
                      then 'the present era' else e.source end),
       r.as_owner || format(case when a.attidentity <> '' then 'alter table %1$s alter column %2$I drop identity'
                                 -- Its values follow from the others.
                                 when a.attgenerated <> '' then 'alter table %1$s drop column %2$I'
                                 else 'alter table %1$s alter column %2$I drop default' end, r.name, a.attname)
from relations r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
cross join lateral (select pg_get_expr(d.adbin, d.adrelid)) e (source)
where r.kind = 'table' and (a.attidentity <> '' or e.source is not null)
    and not (r.is_month and (a.attname = 'era' or e.source is not distinct from (
        select pg_get_expr(p.adbin, p.adrelid) from pg_attrdef p join pg_attribute b on b.attrelid = p.adrelid
        where p.adrelid = to_regclass('audit.records') and b.attnum = p.adnum and b.attname = a.attname)))
union all
select 'constraint', format('%I on %s', c.conname, r.name),
       pg_get_constraintdef(c.oid) || case when c.convalidated then '' else ' not valid' end
       -- A foreign key is as good as the triggers, on both of its tables, that PostgreSQL keeps for it.
       || case when exists (select from pg_trigger t where t.tgconstraint = c.oid and t.tgenabled in ('D', 'R'))
               then ' its triggers off' else '' end,
       r.as_owner || format('alter table %s drop constraint %I', r.name, c.conname)
-- Without NOT NULL, which is part of `column` above and a constraint of its own only in PostgreSQL 18.
from pg_constraint c join relations r on r.oid = c.conrelid
where c.contype in ('c', 'f', 'p', 'u', 'x') and not (r.is_month and c.coninhcount > 0)
union all
select 'constraint', format('%I of %s', c.conname, t.name),
       pg_get_constraintdef(c.oid) || case when c.convalidated then '' else ' not valid' end,
       array[format('alter domain %s drop constraint %I', t.name, c.conname)]
from pg_constraint c join types t on t.oid = c.contypid where c.contype = 'c'
union all
select 'index', i.indexrelid::regclass::text,
       -- How full the pages of a tree are is its administrator's.
       case when x.reloptions is null or x.relam <> (select m.oid from pg_am m where m.amname = 'btree')
            then pg_get_indexdef(i.indexrelid)
            else regexp_replace(pg_get_indexdef(i.indexrelid), ' WITH \([^)]*\)', '') end
       || case when i.indisvalid and i.indisready then '' else ' invalid' end,
       case when r.is_month and x.relispartition then r.as_owner || format('reindex index %s', i.indexrelid::regclass)
            else r.as_owner || format('drop index %s', i.indexrelid::regclass) end
from pg_index i join relations r on r.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
-- A month may have indexes of its own, which speed up reading; one that can refuse a record it may not have.
where not r.is_month or not i.indisvalid or not i.indisready
    or not x.relispartition and (i.indisunique or i.indexprs is not null or i.indpred is not null)
union all
select 'sequence', r.name, concat_ws(' ', q.seqtypid::regtype, 'from', q.seqmin, 'start', q.seqstart, 'to', q.seqmax,
                 'by', q.seqincrement, 'cache', q.seqcache,
                 case when q.seqcycle then 'cycle' end, case when r.relpersistence <> 'p' then 'unlogged' end,
                 'of ' || r.of_column), array['drop sequence ' || r.name]
from relations r join pg_sequence q on q.seqrelid = r.oid
union all
select 'type', t.name,
       case t.typtype
            when 'd' then concat_ws(' ', 'domain over', format_type(t.typbasetype, t.typtypmod),
                                    case when t.typnotnull then 'not null' end, 'default ' || t.typdefault)
            when 'e' then (select concat_ws(' ', 'enum of', string_agg(e.enumlabel, ', ' order by e.enumsortorder))
                           from pg_enum e where e.enumtypid = t.oid)
            when 'r' then (select format('range of %s', g.rngsubtype::regtype) from pg_range g where g.rngtypid = t.oid)
            else (select coalesce(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                                             order by a.attnum), '')
                  from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) end,
       array['drop type ' || t.name]
from types t
order by 1, 2
