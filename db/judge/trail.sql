-- Backstitch: the state of the trail, in one row.
--
-- Contract. backstitch/doctor/trail.py runs this query as backstitch_watch or as the owner. It is never installed. Runs
-- with search_path = pg_catalog, pg_temp. Columns: the months that the default partition holds records of; since when
-- records wait for their seal (null: none); the present era, whether this is another database, table or
-- counter of transactions than its own, its server, and the default of audit.records.era; the id of the last
-- sealed and of the newest record; whether the event triggers are gone that a migration has made.
--
-- Limits. It takes the seals at their word; whether they are true is for `python -m backstitch verify`.

with present as (
    select e.era from audit.eras e order by e.era desc limit 1),
round as (
    select s.to_transaction, s.running from audit.seals s
    where s.era = (select p.era from present p) order by s.id desc limit 1)

select case when exists (select from audit.records_default) then
           (select array_agg(distinct date_trunc('month', r.recorded_at at time zone 'UTC')::date order by
                             date_trunc('month', r.recorded_at at time zone 'UTC')::date)
            from audit.records_default r) end as default_months,
       (select min(r.recorded_at) from audit.records r
        where r.transaction_id >= coalesce((select least(l.to_transaction, (select min(x) from unnest(l.running) x))
                                            from round l), 0)
            and not coalesce(r.era < (select p.era from present p), false)
            and not coalesce((select r.transaction_id < l.to_transaction and r.transaction_id <> all (l.running)
                              from round l), false)) as unsealed_since,
       (select coalesce(max(e.era), 1)::text from audit.eras e) as era,
       -- A dump that was restored elsewhere; audit.is_at_home() says the same, and is the database's own word.
       exists (select from audit.eras e
               where e.era = (select p.era from present p)
                   and (e.database_oid <> (select d.oid::bigint from pg_database d
                                           where d.datname = current_database())
                        or e.records_oid <> to_regclass('audit.records')::oid::bigint
                        or (select l.to_transaction from round l)
                           > pg_snapshot_xmax(pg_current_snapshot())::text::bigint)) as is_away,
       (select e.system_identifier from audit.eras e where e.era = (select p.era from present p)) as system_identifier,
       (select pg_get_expr(d.adbin, d.adrelid)
        from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where a.attrelid = to_regclass('audit.records') and a.attname = 'era') as era_of_records,
       (select s.record_ids[s.record_count] from audit.seals s order by s.id desc limit 1) as last_sealed,
       (select r.id from audit.records r order by r.recorded_at desc, r.id desc limit 1) as newest,
       exists (select from audit.guards g where g.guard = 'definitions')
       and (select count(*) < 2 from pg_event_trigger e
            where e.evtname in ('backstitch_watch_ddl', 'backstitch_watch_drop')) as lacks_event_triggers
