-- Backstitch: the settings of the server itself, past those of roles and of the database: name, value, the value that
-- PostgreSQL has without a configuration, where it comes from.
--
-- Contract. backstitch/doctor/settings.py runs this query with the names that it judges. It is never installed. Runs
-- with search_path = pg_catalog, pg_temp.

select s.name, s.reset_val, s.boot_val, s.source
from pg_settings s
where (s.name = any (cast(:names as text[])) or s.name like 'backstitch.%')
    and s.reset_val is distinct from s.boot_val and s.reset_val <> ''
    and not exists (
        select from pg_db_role_setting r
        cross join unnest(r.setconfig) v
        where lower(split_part(v, '=', 1)) = lower(s.name)
            and r.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
            and r.setrole in (0, session_user::regrole))
order by 1
