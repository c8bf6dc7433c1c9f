-- Backstitch: the tables that have to be on the record, one row each, and what is wrong with their triggers.
--
-- Contract. backstitch/doctor/tables.py runs this query, which needs no rights, with the parameters `watched` and
-- `functions`: the tables of audit.watched_tables, as far as the login may read it, and the names of their trigger
-- functions. Without them a table of another schema is known by its triggers. It is never installed. Runs with
-- search_path = pg_catalog, pg_temp.

with known as (
    select k.relation, k.function_name
    from unnest(cast(:watched as oid[]), cast(:functions as text[])) k (relation, function_name)),
trail_triggers as (
    select t.*, p.proname
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid and p.pronamespace = to_regnamespace('audit')
    where t.tgname like 'audit\_%' and not t.tgisinternal),
tables as (
    select c.*, n.nspname,
           coalesce(k.function_name, case when octet_length(f.name) > 63 then 'record_' || md5(f.name) else f.name end)
               as function_name
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join known k on k.relation = c.oid
    cross join lateral (select format('record_%s_%s', n.nspname, c.relname)) f (name)
    where (n.nspname in ('inventory', 'accounts') and c.relkind in ('r', 'p', 'f'))
        or k.relation is not null
        or c.oid in (select t.tgrelid from trail_triggers t where t.proname like 'record\_%'))

select c.oid::regclass::text as name,
       c.relowner = to_regrole('backstitch_owner') as is_owners,
       c.relkind = 'r' and c.relpersistence = 'p'
           and not exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) as is_ordinary,
       exists (select from trail_triggers t where t.tgrelid = c.oid) as is_watched,
       -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
       (select string_agg(e.name, ', ' order by e.name)
        from (values ('audit_insert', 4, null, 'new_rows'), ('audit_update', 16, 'old_rows', 'new_rows'),
                     ('audit_delete', 8, 'old_rows', null), ('audit_truncate', 34, null, null)
             ) e (name, kind, old_table, new_table)
        where not exists (
            select from trail_triggers t
            where t.tgrelid = c.oid and t.tgname = e.name and t.tgtype = e.kind and t.proname = c.function_name
                and t.tgenabled = 'A' and t.tgqual is null and t.tgattr = '' and t.tgnargs = 0
                and t.tgoldtable is not distinct from e.old_table::name
                and t.tgnewtable is not distinct from e.new_table::name)) as faulty,
       -- Triggers fire in the order of their names. An AFTER ROW trigger, or an AFTER STATEMENT trigger with a name
       -- before audit_, can write the row again before it is recorded.
       array(select quote_ident(t.tgname) from pg_trigger t
             where t.tgrelid = c.oid and not t.tgisinternal and t.tgtype & 2 = 0
                 and (t.tgtype & 1 = 1 or t.tgname < 'audit_')
             order by t.tgname) as early
from tables c
order by 1
