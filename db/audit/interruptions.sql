-- Backstitch: interruptions. When a table was off the record, from when to when, and by whom.
--
-- Contract. A guard is what has to stand so that changes reach the trail: for each watched table its four triggers, for
-- the trail itself that no trigger, rule or policy stands before its records, for the definitions of the database the
-- two event triggers below. audit.note_interruptions compares the guards with how they stood at the last look, and
-- writes a MAINTENANCE record (entity Interruption) when one falls and when it stands again; the second has both ends.
-- Who calls it: the event triggers, after each command that changes a definition, in its transaction and so with its
-- login; and the app each second, for servers without event triggers and for what they do not see.
--
-- Definitions. On a server whose migration has a superuser, the event triggers record each command that changes an
-- object of the schemas audit, accounts, inventory and runtime, or a right: MAINTENANCE, entity Definition. A migration
-- switches them off for its own transaction (backstitch/migrations.py) and records what it brought instead.
--
-- Locks. Two lookers that find a change take turns by an advisory lock until commit.
--
-- Limits.
--   * Event triggers do not fire for commands on roles, databases and event triggers. Those are the doctor's to see.
--   * Without event triggers, what is switched off and on between two looks is not seen, nor within one transaction.
--   * A record that cannot be written refuses the command. The way out, as a superuser:
--     alter event trigger backstitch_watch_ddl disable
--   * Who may replace functions of backstitch_owner can have them run by a superuser who changes definitions here. That
--     is so of every trigger on a table that a superuser writes.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner; the event triggers
-- are made by the login that migrates, if it is a superuser.

create or replace function audit.faulty_triggers(target regclass, trigger_function oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
    select string_agg(e.name, ', ' order by e.name)
    from (values ('audit_insert', 4, null, 'new_rows'), ('audit_update', 16, 'old_rows', 'new_rows'),
                 ('audit_delete', 8, 'old_rows', null), ('audit_truncate', 34, null, null)
         ) e (name, kind, old_table, new_table)
    where not exists (
        select from pg_trigger t
        where t.tgrelid = target and t.tgname = e.name and t.tgtype = e.kind and t.tgfoid = trigger_function
            and t.tgenabled = 'A' and t.tgqual is null and t.tgattr = '' and t.tgnargs = 0
            and t.tgoldtable is not distinct from e.old_table::name
            and t.tgnewtable is not distinct from e.new_table::name)
$$;
comment on function audit.faulty_triggers(regclass, oid) is
    'Returns which of the four triggers of a watched table are missing, not ENABLE ALWAYS, or not as audit.watch makes '
    'them; null: none.';

create or replace function audit.fallen_guards() returns table (guard text, relation text, cause text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select w.entity, w.relation::text,
           'its triggers ' || audit.faulty_triggers(
               w.relation, (select p.oid from pg_proc p
                            where p.pronamespace = 'audit'::regnamespace and p.proname = w.function_name))
    from audit.watched_tables w
    union all
    select 'trail', s.relation, string_agg(s.cause, ', ' order by s.cause)
    from (select t.tgrelid::regclass::text, format('trigger %I', t.tgname)
          from pg_trigger t join pg_class c on c.oid = t.tgrelid
          where c.relnamespace = 'audit'::regnamespace and not t.tgisinternal and t.tgparentid = 0
          union all
          select r.ev_class::regclass::text, format('rule %I', r.rulename)
          from pg_rewrite r join pg_class c on c.oid = r.ev_class
          where c.relnamespace = 'audit'::regnamespace and r.rulename <> '_RETURN'
          union all
          select c.oid::regclass::text, 'row security'
          from pg_class c where c.relnamespace = 'audit'::regnamespace and c.relrowsecurity) s (relation, cause)
    group by s.relation
    union all
    select g.guard, 'event triggers',
           (select string_agg(e.name, ', ' order by e.name)
            from (values ('backstitch_watch_ddl', 'ddl_command_end'), ('backstitch_watch_drop', 'sql_drop')
                 ) e (name, event)
            where not exists (select from pg_event_trigger t
                              where t.evtname = e.name and t.evtevent = e.event and t.evtenabled = 'A'
                                  and t.evttags is null
                                  and t.evtfoid = to_regproc('audit.note_definitions')))
    from audit.guards g where g.guard = 'definitions'
$$;
comment on function audit.fallen_guards() is
    'Returns each guard, and what keeps it from standing (null: it stands). The trail has a row only where something '
    'stands before it.';

create or replace function audit.note_interruptions(command text default null) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor audit.actor;
    change record;
    noted integer := 0;
begin
    for change in
        select coalesce(f.guard, g.guard) as guard, coalesce(f.relation, g.relation) as relation,
               f.cause, g.since, g.record_id
        from (select n.guard || case when n.guard = 'trail' then ' ' || n.relation else '' end as guard, n.relation,
                     n.cause
              from audit.fallen_guards() n where n.cause is not null) f
        full join (select k.* from audit.guards k where k.since is not null) g on g.guard = f.guard
        where (f.guard is null) <> (g.guard is null)
        order by 1
    loop
        if noted = 0 then
            -- Whoever came first has noted it; then there is nothing left to do.
            perform pg_advisory_xact_lock(7161124861523943986);
            actor := audit.claimed_actor();
            actor.operation := coalesce(actor.operation, 'watch the trail');
            -- Whoever has the application's password may call this; what they say of themselves is not recorded.
            if session_user = 'backstitch_app' then
                actor.source := 'system';
                actor.operation := 'watch the trail';
                actor.reason := null;
                command := null;
            end if;
        end if;
        noted := noted + audit.note_interruption(
            actor, change.guard, change.relation, change.cause, change.since, change.record_id, command);
    end loop;
    return noted;
end
$$;
comment on function audit.note_interruptions(text) is
    'Records each guard that has fallen, or stands again, since the last look: MAINTENANCE, entity Interruption. '
    'Returns how many. command: the one that an event trigger saw. Needs no user, because it can only record what is.';

create or replace function audit.note_interruption(
    actor audit.actor, guard text, relation text, cause text, since timestamptz, began_on bigint, command text
) returns integer
language plpgsql volatile set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO'
as $$
declare
    began bigint;
    moment constant timestamptz := clock_timestamp();
    details constant jsonb := jsonb_strip_nulls(jsonb_build_object(
        'guard', guard, 'table', relation, 'off', cause, 'command', command));
begin
    if cause is null then
        update audit.guards g set since = null, record_id = null
        where g.guard = note_interruption.guard and g.record_id is not distinct from began_on and g.since is not null;
        if not found then
            return 0;
        end if;
        perform audit.write_activity(actor, 'MAINTENANCE', 'Interruption', null, details || jsonb_build_object(
            'interrupted', false, 'began_at', since, 'began_on_record', began_on, 'ended_at', moment));
        return 1;
    end if;
    if exists (select from audit.guards g where g.guard = note_interruption.guard and g.since is not null) then
        return 0;
    end if;
    began := audit.write_activity(actor, 'MAINTENANCE', 'Interruption', null, details || jsonb_build_object(
        'interrupted', true, 'began_at', moment));
    insert into audit.guards as g (guard, relation, since, record_id)
    values (note_interruption.guard, note_interruption.relation, moment, began)
    on conflict on constraint guards_pkey do update
    set relation = excluded.relation, since = excluded.since, record_id = excluded.record_id;
    return 1;
end
$$;
comment on function audit.note_interruption(audit.actor, text, text, text, timestamptz, bigint, text) is
    'Records the beginning of an interruption, or, without a cause, its end with both times. Returns 1; 0 if another '
    'session has recorded it. The caller holds the lock of lookers.';

create or replace function audit.is_ours(schema_name text, identity text, command text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select case when schema_name is null then command in ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES')
                else schema_name in ('audit', 'accounts', 'inventory', 'runtime')
                     -- The trail's months come by themselves.
                     and not (command = 'CREATE TABLE' and identity ~ '^audit\.records_[0-9]{4}_[0-9]{2}($|_)') end
        or identity in ('audit', 'accounts', 'inventory', 'runtime', 'public.audit_logs', 'public.backstitch_code',
                        'public.backstitch_steps', 'public.alembic_version')
        -- Triggers, rules and policies are in no schema of their own.
        or identity ~ ' on (audit|accounts|inventory|runtime)[.]'
$$;
comment on function audit.is_ours(text, text, text) is
    'Returns whether a command changed a definition of Backstitch, or a right, of which event triggers do not say on '
    'what.';

create or replace function audit.note_definitions() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    objects text[];
    actor audit.actor;
begin
    if tg_event = 'sql_drop' then
        objects := array(
            select concat_ws(' ', d.object_type, d.object_identity) from pg_event_trigger_dropped_objects() d
            where not d.is_temporary and (d.original or d.normal)
                and audit.is_ours(d.schema_name, d.object_identity, tg_tag));
    elsif tg_tag <> 'COMMENT' then
        objects := array(
            select concat_ws(' ', lower(c.object_type), c.object_identity) from pg_event_trigger_ddl_commands() c
            where not c.in_extension and audit.is_ours(c.schema_name, c.object_identity, c.command_tag));
    end if;
    if cardinality(objects) > 0 then
        actor := audit.claimed_actor();
        actor.operation := coalesce(actor.operation, 'change definitions');
        perform audit.write_activity(actor, 'MAINTENANCE', 'Definition', null, jsonb_build_object(
            'command', tg_tag, 'objects', to_jsonb(objects[:100])));
    end if;
    perform audit.note_interruptions(tg_tag);
end
$$;
comment on function audit.note_definitions() is
    'Records a command that changed a definition of Backstitch: MAINTENANCE, entity Definition, with the command and '
    'the objects, at most 100. Then looks for interruptions. Called by event triggers.';
