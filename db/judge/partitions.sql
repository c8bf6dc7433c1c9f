-- Backstitch: the months, from the present one to two ahead, that audit.records has no partition for.
--
-- Contract. backstitch/doctor/trail.py runs this query, which needs no rights. It is never installed. Runs with
-- search_path = pg_catalog, pg_temp.

select to_char(month, 'YYYY-MM')
from generate_series(date_trunc('month', now() at time zone 'UTC'),
                     date_trunc('month', now() at time zone 'UTC') + interval '2 months', '1 month') month
where not exists (
    select from pg_inherits i
    where i.inhparent = to_regclass('audit.records')
        and i.inhrelid = to_regclass('audit.records_' || to_char(month, 'YYYY_MM')))
order by 1
