-- Backstitch: the rows of audit.watched_tables, with what is wrong about the table and its trigger function.
--
-- Contract. db/catalog.py runs this query as backstitch_watch or as the owner. It is never installed. Runs with
-- search_path = pg_catalog, pg_temp.

select w.relation::oid::bigint as oid, w.relation::text as name, w.entity, w.function_name, w.parent, w.redacted,
       w.personal, c.oid is not null as exists,
       w.columns is distinct from (
           select jsonb_agg(jsonb_build_object('attnum', a.attnum, 'name', a.attname,
                                               'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
           from pg_attribute a
           where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
       ) as has_other_columns,
       -- Whoever owns the function can replace it.
       coalesce(p.proowner <> to_regrole('backstitch_owner') and not o.rolsuper, false) as has_other_owner
from audit.watched_tables w
left join pg_class c on c.oid = w.relation
left join pg_proc p on p.pronamespace = to_regnamespace('audit') and p.proname = w.function_name and p.pronargs = 0
left join pg_roles o on o.oid = p.proowner
order by 2
