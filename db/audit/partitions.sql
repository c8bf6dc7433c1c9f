-- Backstitch: the months of the trail.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

-- The months are UTC's, and so is the first by default: east of UTC, on the last evening of a month, today is in the next.
create or replace function audit.make_partitions(
    first date default (now() at time zone 'UTC')::date, months integer default 3
) returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    month date;
    partition name;
    bounds text;
    made integer := 0;
begin
    -- Two that start at once make each month once.
    perform pg_advisory_xact_lock(hashtext('audit.make_partitions'));
    for month in
        select generate_series(date_trunc('month', first::timestamp),
                               date_trunc('month', first::timestamp) + make_interval(months => months), '1 month')
    loop
        if to_regclass('audit.records_' || to_char(month, 'YYYY_MM')) is null then
            partition := 'records_' || to_char(month, 'YYYY_MM');
            bounds := format('for values from (%L) to (%L)', to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                             to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
            if exists (select from audit.records_default r
                       where r.recorded_at >= month::timestamp at time zone 'UTC'
                           and r.recorded_at < (month + interval '1 month') at time zone 'UTC')
            then
                -- Records of that month are there already: they move, as they are.
                lock table audit.records_default in access exclusive mode;
                execute format('create table audit.%I (like audit.records including defaults including constraints)',
                               partition);
                execute format(
                    'with moved as (delete from audit.records_default where recorded_at >= %L and recorded_at < %L '
                    'returning *) insert into audit.%I select * from moved',
                    month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC', partition);
                execute format('alter table audit.records attach partition audit.%I %s', partition, bounds);
            else
                execute format('create table audit.%I partition of audit.records %s', partition, bounds);
            end if;
            -- Whoever made it: a migration revokes and grants on every table of the trail as their owner.
            execute format('alter table audit.%I owner to backstitch_owner', partition);
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;
comment on function audit.make_partitions(date, integer) is
    'Makes the monthly partitions (UTC) from a month on, that month and so many more, and moves into them what the '
    'default partition has of those months. Returns how many it made.';
