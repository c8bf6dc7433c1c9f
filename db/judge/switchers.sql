-- Backstitch: the logins that can switch the trail off, each with the ways in which it can.
--
-- Contract. backstitch/doctor/roles.py runs this query, which needs no rights. It is never installed. Runs with
-- search_path = pg_catalog, pg_temp.

with recursive owners as (
    select c.relowner as oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('audit', 'accounts', 'inventory') and c.relkind in ('r', 'p')
    union
    select c.relowner from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_proc p on p.oid = t.tgfoid and p.pronamespace = to_regnamespace('audit')
    union
    select n.nspowner from pg_namespace n where n.nspname in ('audit', 'accounts', 'inventory')),
ways as (
    select r.oid, 'superuser' as way, 'a superuser, ' || r.rolname as kin from pg_roles r where r.rolsuper
    union all
    select r.oid, 'owner of tables', r.rolname from pg_roles r
    where (r.oid in (select o.oid from owners o) or r.rolname = 'backstitch_owner') and not r.rolsuper
    union all
    select r.oid, 'writes files of the server', r.rolname from pg_roles r where r.rolname = 'pg_write_server_files'
    union all
    select r.oid, 'runs programs on the server', r.rolname from pg_roles r where r.rolname = 'pg_execute_server_program'
    union all
    -- Before PostgreSQL 16 it can make itself a member of any role but a superuser.
    select r.oid, 'may create roles', r.rolname from pg_roles r
    where r.rolcreaterole and not r.rolsuper and current_setting('server_version_num')::integer < 160000
    union all
    select a.grantee,
           'may set session_replication_role, which skips foreign keys and ordinary triggers, not the trail''s',
           'whoever may set session_replication_role, ' || a.grantee::regrole
    from pg_parameter_acl p cross join aclexplode(p.paracl) a
    join pg_roles r on r.oid = a.grantee and not r.rolsuper
    where p.parname = 'session_replication_role'),
reached as (
    select w.oid, w.way collate "C", w.kin::text collate "C" from ways w
    union
    select m.member, ('member of ' || r.kin) collate "C", r.kin
    from reached r join pg_auth_members m on m.roleid = r.oid)

select u.rolname, array_agg(distinct r.way order by r.way)
from reached r join pg_roles u on u.oid = r.oid
where u.rolcanlogin and (r.way = 'superuser' or not u.rolsuper)
group by 1
order by 1
