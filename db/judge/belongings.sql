-- Backstitch: what the logins of Backstitch and the roles of its users own, which should be nothing: the role, the
-- object. Temporary objects and large objects give no right to anything else, so they are left out.
--
-- Contract. backstitch/doctor/roles.py runs this query, which needs no rights. It is never installed. Runs with
-- search_path = pg_catalog, pg_temp.

select r.rolname, o.type || ' ' || o.identity
from pg_shdepend d
join pg_roles r on r.oid = d.refobjid and r.rolname in (
    'backstitch_app', 'backstitch_admin', 'backstitch_manager', 'backstitch_analyst', 'backstitch_viewer',
    'backstitch_watch')
cross join lateral pg_identify_object(d.classid, d.objid, 0) o
where d.refclassid = 'pg_authid'::regclass and d.deptype = 'o'
    and d.dbid in (0, (select b.oid from pg_database b where b.datname = current_database()))
    and o.type <> 'large object' and coalesce(o.schema, '') !~ '^pg_(toast_)?temp'
order by 1, 2
