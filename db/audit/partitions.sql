-- Backstitch: the monthly partitions of the trail.
--
-- Contract. audit.records is partitioned by recorded_at, one partition per month of UTC. Start-up and a daily job call
-- audit.make_partitions for the months ahead. A record of a month without a partition goes into audit.records_default;
-- the call that makes the month moves it.
--
-- Locks. Callers take turns by an advisory lock. Creating a partition locks audit.records (ACCESS EXCLUSIVE), and
-- moving records locks the default partition; writers wait until the caller commits.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

-- The default of `first` is UTC's date too: east of UTC, in the first hours of a month, current_date is a month ahead.
create or replace function audit.make_partitions(
    first date default (now() at time zone 'UTC')::date, months integer default 3
) returns integer
-- As its owner, whoever calls, so that the months belong to backstitch_owner.
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    month date;
    partition name;
    bounds text;
    made integer := 0;
begin
    -- Two processes that start at the same time must not create the same month.
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
                -- Attaching would be refused while the default partition has records of the month: move them,
                -- unchanged.
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
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;
comment on function audit.make_partitions(date, integer) is
    'Creates the partitions that are missing for the month (UTC) of `first` and the `months` after it, and moves into '
    'them the records of those months from the default partition. Returns how many it created.';
