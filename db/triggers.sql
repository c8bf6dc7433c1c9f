-- Backstitch: the audit trail. What is recorded, and how.
--
-- Purpose. Every insert, update, delete, upsert, MERGE, COPY, cascade and TRUNCATE on a watched table writes one record
-- per changed row into audit.records, in the same transaction, whoever runs the statement. The database writes the
-- trail, so no application code can forget to.
--
-- How. audit.watch(table, entity, ...) puts a table on the record. It generates one trigger function for the table,
-- with the columns spelled out, and creates four statement triggers that call it. The function reads the changed rows
-- from the transition tables (before a TRUNCATE, from the table) and writes their records by INSERT ... SELECT:
--   * INSERT: a CREATE record per row, with the whole row in new_values;
--   * UPDATE: an UPDATE record per row that differs, with the changed columns only, before in old_values and after in
--     new_values. A changed primary key is a DELETE and a CREATE;
--   * DELETE, TRUNCATE: a record per row, with the whole row in old_values.
-- A secret column enters a record as 'redacted', a personal one as a reference (audit/personal.sql).
--
-- Example. The generated function of inventory.order_counters (a test compares it with what audit.watch makes):
--
--     #variable_conflict use_variable
--     declare
--         actor audit.actor;
--         user_id bigint;
--         session_id bigint;
--         database_role constant text := session_user;
--         application constant text := nullif(current_setting('application_name'), '');
--         client_address constant inet := inet_client_addr();
--         source audit.source := 'SQL';
--         operation text;
--         reason text;
--         request text;
--         action constant audit.action := case tg_op when 'INSERT' then 'CREATE' else tg_op end;
--         moment constant timestamptz := clock_timestamp();
--         -- bigint, because block range indexes (BRIN) do not take xid8.
--         transaction_number constant bigint := pg_current_xact_id()::text::bigint;
--     begin
--         -- A login that has not said what it is: SQL by hand. No need to ask audit.current_actor.
--         if database_role = 'backstitch_app' or current_setting('backstitch.source', true) <> '' then
--             actor := audit.current_actor();
--             user_id := actor.user_id;
--             session_id := actor.session_id;
--             source := actor.source;
--             operation := actor.operation;
--             reason := actor.reason;
--             request := actor.request;
--             if database_role = 'backstitch_app' then
--                 perform audit.require_right(tg_relid, tg_op);
--             end if;
--         end if;
--         if tg_op = 'INSERT' then
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity, source,
--                 database_role, application, client_address, operation, reason, request, old_values, new_values)
--             select moment, transaction_number, n.id, null, user_id, session_id,
--                 action, 'OrderCounter', source,
--                 database_role, application, client_address, operation, reason, request,
--                 null,
--                 jsonb_build_object('id', n.id, 'financial_year', n.financial_year, 'last_number', n.last_number)
--             from new_rows n;
--         elsif tg_op = 'UPDATE' then
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity, source,
--                 database_role, application, client_address, operation, reason, request, old_values, new_values)
--             select moment, transaction_number, coalesce(n.id, o.id), null, user_id, session_id,
--                 case when o.id is null then 'CREATE'::audit.action
--                     when n.id is null then 'DELETE'::audit.action else action end, 'OrderCounter', source,
--                 database_role, application, client_address, operation, reason, request,
--                 case when n.id is null then jsonb_build_object('id', o.id, 'financial_year', o.financial_year, 'last_number', o.last_number)
--                     when o.id is not null then
--                 case when o.financial_year is distinct from n.financial_year then jsonb_build_object('financial_year', o.financial_year) else '{}' end
--                 || case when o.last_number is distinct from n.last_number then jsonb_build_object('last_number', o.last_number) else '{}' end end,
--                 case when o.id is null then jsonb_build_object('id', n.id, 'financial_year', n.financial_year, 'last_number', n.last_number)
--                     when n.id is not null then
--                 case when o.financial_year is distinct from n.financial_year then jsonb_build_object('financial_year', n.financial_year) else '{}' end
--                 || case when o.last_number is distinct from n.last_number then jsonb_build_object('last_number', n.last_number) else '{}' end end
--             from old_rows o full join new_rows n on n.id = o.id
--             where o.id is distinct from n.id
--                 or o.financial_year is distinct from n.financial_year
--                 or o.last_number is distinct from n.last_number;
--         elsif tg_op = 'DELETE' then
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity, source,
--                 database_role, application, client_address, operation, reason, request, old_values, new_values)
--             select moment, transaction_number, o.id, null, user_id, session_id,
--                 action, 'OrderCounter', source,
--                 database_role, application, client_address, operation, reason, request,
--                 jsonb_build_object('id', o.id, 'financial_year', o.financial_year, 'last_number', o.last_number),
--                 null
--             from old_rows o;
--         elsif tg_op = 'TRUNCATE' then
--             -- The snapshot must see every row that TRUNCATE removes.
--             if current_setting('transaction_isolation') <> 'read committed' then
--                 raise exception 'TRUNCATE of % is refused under isolation level %: rows could go unrecorded',
--                     tg_relid::regclass, current_setting('transaction_isolation')
--                     using errcode = 'feature_not_supported', constraint = 'truncate_read_committed',
--                           hint = 'Use READ COMMITTED, or DELETE.';
--             end if;
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity, source,
--                 database_role, application, client_address, operation, reason, request, old_values, new_values)
--             select moment, transaction_number, o.id, null, user_id, session_id,
--                 action, 'OrderCounter', source,
--                 database_role, application, client_address, operation, reason, request,
--                 jsonb_build_object('id', o.id, 'financial_year', o.financial_year, 'last_number', o.last_number),
--                 null
--             from inventory.order_counters o;
--         end if;
--         return null;
--     end
--
-- The actor contract. A transaction of the application starts with
--     select set_config('role', accounts.begin(token, operation, reason, source, request), true);
-- (db/accounts/sign_in.sql). accounts.begin checks the session and sets the transaction-local settings
-- backstitch.user_id, .session_id, .role, .source, .operation, .reason, .request and .signature. The signature covers
-- those values, the backend and the transaction, with a key that only definer functions can read. So settings made by
-- hand, or kept from another transaction, do not verify (db/audit/actor.sql):
--   * the signature verifies: the record names the user and the session;
--   * the login is backstitch_app and it does not verify: the statement is refused;
--   * any other login (a DBA in psql): the record has no user, which the views show as `system`, and names the login,
--     the application and the address. A login that sets backstitch.source also puts its operation, reason and request
--     on the record; one that does not has the source SQL and none of them.
--
-- Locks. audit.watch holds SHARE ROW EXCLUSIVE on its table until commit, so it and writers wait for each other. The
-- triggers take no lock that another writer waits for.
--
-- Limits.
--   * The owner of these objects and a superuser can disable triggers or edit the trail. Nothing inside a database can
--     prevent that; seals (audit/seals.sql) and `python -m backstitch doctor` can find it.
--   * A watched table needs a primary key of one integer column.
--   * ADD COLUMN ... DEFAULT, a rename and ALTER TYPE fire no trigger. Every migration ends with audit.watch for each
--     table (db/code.py), which records what they changed. After an ALTER TYPE ... USING that keeps the type, a step
--     (db/steps) has to call audit.record_unseen.
--   * Rows that a logical replication subscription applies fire no statement trigger.
--   * A row that one statement changes twice (by a row trigger, through two foreign keys, in a CTE that is not read to
--     its end) can get its two records in reverse order, and the trail shows them so. Replay finds the true order.
--   * jsonb has no negative zero, no array bounds and no JSON null apart from SQL null. Of a json column the trail
--     keeps the value, not the text.
--   * What was recorded before a column was declared personal or redacted stays as it was recorded.
--
-- Conventions of all files in db/.
--   * search_path is `pg_catalog, pg_temp`. With an empty one PostgreSQL looks for types and tables in pg_temp first,
--     so a temporary domain called text would run its check with the rights of the owner. A function without a
--     search_path is called only by functions that have one; PostgreSQL can inline it.
--   * A function named ..._source returns SQL text. In it o is the old row, n the new one.
--
-- See also. Tables: db/migrations/versions/0001_tables.py. In db/audit/: actor.sql (who acts, and activities),
-- personal.sql (values about a person), partitions.sql (months), interruptions.sql (when a table was off the record),
-- reading.sql (views), seals.sql and replay.sql (proofs), undo.sql. Who may call what: db/rights.sql. What the doctor
-- asks, and never installs: db/judge/.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.
-- Order: watch and unwatch, triggers and their functions, SQL for the values of a record, the catalog's view of a
-- table.

-- Watch and unwatch ---------------------------------------------------------------------------

create or replace function audit.watch(
    target regclass, entity text default null, parent text default null, redacted text[] default '{}',
    personal text[] default '{}'
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    known audit.watched_tables;
    w audit.watched_tables;
    changed jsonb := '{}';
begin
    perform audit.require_ordinary_table(target);
    -- Until commit nobody else writes the table.
    execute format('lock table %s in share row exclusive mode', target);
    select * into known from audit.watched_tables t where t.relation = target;

    w.relation := target;
    w.entity := coalesce(watch.entity, (select relname from pg_class where oid = target));
    w.function_name := (select format('record_%s_%s', n.nspname, c.relname)
                        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target);
    if octet_length(w.function_name) > 63 then -- PostgreSQL would cut it, and two tables could share what is left
        w.function_name := 'record_' || md5(w.function_name);
    end if;
    w.parent := watch.parent;
    w.redacted := watch.redacted;
    w.personal := watch.personal;
    w.columns := audit.recorded_columns(target);

    -- A further call without an entity (after a column was added, say) keeps the details of the call before; a redacted
    -- column stays one under its new name. A personal column stays one whatever the call says.
    if known.relation is not null then
        changed := audit.column_changes(known.columns, w.columns);
        if watch.entity is null then
            w.entity := known.entity;
            w.parent := coalesce(changed -> 'renamed' ->> known.parent, known.parent);
            w.redacted := audit.with_renamed(known.redacted, coalesce(changed -> 'renamed', '{}'));
        end if;
        w.personal := audit.with_renamed(array(select unnest(known.personal) union select unnest(watch.personal)),
                                         coalesce(changed -> 'renamed', '{}'));
    end if;

    perform audit.require_parent_column(target, w.parent);
    perform audit.install_triggers(w);
    if known.function_name <> w.function_name then
        execute format('drop function audit.%I()', known.function_name);
    end if;
    insert into audit.watched_tables as t (relation, entity, function_name, parent, redacted, personal, columns)
    values (w.relation, w.entity, w.function_name, w.parent, w.redacted, w.personal, w.columns)
    on conflict on constraint watched_once do update
        set entity = excluded.entity, function_name = excluded.function_name, parent = excluded.parent,
            redacted = excluded.redacted, personal = excluded.personal, columns = excluded.columns;

    if known.relation is null then
        perform audit.record_unseen(target);
    elsif changed <> '{}' then
        perform audit.record_column_changes(w, changed);
    end if;
end
$$;
comment on function audit.watch(regclass, text, text, text[], text[]) is
    'Puts a table on the record and records the rows it has. parent: the column for records.parent_id; redacted, '
    'personal: see audit.watched_tables. Called again, it brings the trigger function up to the present columns and '
    'records what a migration did to them. For the owner only.';

create or replace function audit.require_ordinary_table(target regclass) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    -- A statement fires the statement triggers of the table that it names, not those of its parent, partitions or
    -- children. Of an unlogged table the records would outlive the rows after a crash.
    if not exists (select from pg_class c where c.oid = target and c.relkind = 'r' and c.relpersistence = 'p'
                       and not exists (select from pg_inherits i where target in (i.inhrelid, i.inhparent)))
    then
        raise exception 'audit.watch: % is not an ordinary table', target
            using errcode = 'feature_not_supported', constraint = 'ordinary_table',
                  hint = 'Partitioned, inherited, unlogged and temporary tables cannot be watched.';
    end if;
end
$$;
comment on function audit.require_ordinary_table(regclass) is
    'Refuses a table whose rows can change without its statement triggers.';

create or replace function audit.require_parent_column(target regclass, parent text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if parent is not null and not exists (
        select from pg_attribute a
        where a.attrelid = target and a.attname = parent and a.attnum > 0 and not a.attisdropped
            and a.atttypid in ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype))
    then
        raise exception 'audit.watch: % has no integer column %', target, parent
            using errcode = 'undefined_column', constraint = 'parent_column',
                  hint = 'parent names the column that refers to the record this one belongs to, such as product_id.';
    end if;
end
$$;
comment on function audit.require_parent_column(regclass, text) is
    'Refuses a parent column that the table does not have, or that holds no integer.';

create or replace function audit.record_column_changes(w audit.watched_tables, changed jsonb) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    perform audit.record_activity('MAINTENANCE', w.entity, null,
                                  jsonb_build_object('table', w.relation::text, 'columns', changed));
    -- Not the dropped columns: their last values are in the trail.
    perform audit.record_unseen(w.relation, array(
        select jsonb_array_elements_text(changed -> 'added')
        union select value from jsonb_each_text(changed -> 'renamed')
        union select jsonb_object_keys(changed -> 'renamed')
        union select jsonb_object_keys(changed -> 'retyped')));
end
$$;
comment on function audit.record_column_changes(audit.watched_tables, jsonb) is
    'Records what a migration did to the columns of a table (audit.column_changes): MAINTENANCE, and the values of the '
    'rows that it changed.';

create or replace function audit.unwatch(target regclass) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    known audit.watched_tables;
begin
    delete from audit.watched_tables w where w.relation = target returning * into known;
    if known.relation is null then
        raise exception 'audit.unwatch: % is not watched', target
            using errcode = 'undefined_object', constraint = 'watched_once';
    end if;
    execute format('drop trigger if exists audit_insert on %1$s; drop trigger if exists audit_update on %1$s; '
                   'drop trigger if exists audit_delete on %1$s; drop trigger if exists audit_truncate on %1$s',
                   target);
    execute format('drop function audit.%I()', known.function_name);
    perform audit.record_activity('MAINTENANCE', known.entity, null,
                                  jsonb_build_object('unwatched', target::text));
end
$$;
comment on function audit.unwatch(regclass) is
    'Takes a table off the record: drops its triggers and their function, and records MAINTENANCE. Its records stay. '
    'For the owner only.';

-- Triggers and their functions ----------------------------------------------------------------

create or replace function audit.install_triggers(w audit.watched_tables) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    event record;
    faulty text;
begin
    execute format(
        'create or replace function audit.%I() returns trigger language plpgsql security definer %s as %L',
        w.function_name,
        (select string_agg(format('set %s to %s', split_part(s, '=', 1),
                                  case when s ~ '^search_path' then split_part(s, '=', 2)
                                       else quote_literal(split_part(s, '=', 2)) end), ' ')
         from unnest(audit.trigger_settings(w)) s),
        audit.trigger_source(w));
    execute format('revoke all on function audit.%I() from public', w.function_name);
    execute format('comment on function audit.%I() is %L', w.function_name,
                   format('Records the changes of %s. Generated by audit.watch.', w.relation));

    -- Those that are as they should be are left alone: one that is made again is off for a moment, an interruption.
    faulty := audit.faulty_triggers(w.relation, format('audit.%I()', w.function_name)::regprocedure);
    for event in
        select * from (values ('insert', 'after', 'referencing new table as new_rows'),
                              ('update', 'after', 'referencing old table as old_rows new table as new_rows'),
                              ('delete', 'after', 'referencing old table as old_rows'),
                              ('truncate', 'before', '')) e (name, timing, transition_tables)
        where strpos(faulty, 'audit_' || e.name) > 0
    loop
        execute format('create or replace trigger audit_%1$s %2$s %1$s on %3$s %4$s '
                       'for each statement execute function audit.%5$I()',
                       event.name, event.timing, w.relation, event.transition_tables, w.function_name);
        -- ALWAYS, because ordinary triggers do not fire under session_replication_role = replica.
        execute format('alter table %s enable always trigger audit_%s', w.relation, event.name);
        execute format('comment on trigger audit_%1$s on %2$s is %3$L', event.name, w.relation,
                       format('Records each %s. Made by audit.watch.', upper(event.name)));
    end loop;
end
$$;
comment on function audit.install_triggers(audit.watched_tables) is
    'Creates or replaces the trigger function of a table, and those of its four triggers that are not as they should be.';

create or replace function audit.trigger_settings(w audit.watched_tables) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- These settings keep the settings of the session out of the recorded text of a value. Each of them costs every
    -- single-row change some time, so a table has only those that the types of its columns need; a type that is not
    -- listed here (plain is null) needs all.
    select array['search_path=pg_catalog, pg_temp']
        || case when audit.has_cascades(w.relation) then array['enable_nestloop=off'] else '{}' end
        || case when bool_or(t.plain is null) or bool_or(t.element = 'timestamptz'::regtype)
                then array['TimeZone=UTC'] else '{}' end
        || case when bool_or(t.plain is null)
                then array['DateStyle=ISO', 'IntervalStyle=iso_8601', 'extra_float_digits=1', 'bytea_output=hex']
                else '{}' end
    from (select coalesce(e.oid, c.oid) as element,
                 nullif(coalesce(e.typtype, c.typtype) = 'e' or coalesce(e.oid, c.oid) = any (
                     array['bigint', 'integer', 'smallint', 'boolean', 'numeric', 'text', 'varchar', 'bpchar', 'uuid',
                           'date', 'timestamp', 'timestamptz', 'json', 'jsonb', 'inet']::regtype[]), false) as plain
          from pg_attribute a
          join pg_type c on c.oid = a.atttypid
          left join pg_type e on e.oid = c.typelem and c.typcategory = 'A'
          where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') t
$$;
comment on function audit.trigger_settings(audit.watched_tables) is
    'Returns the settings that the trigger function of a table must have, in the form of pg_proc.proconfig.';

create or replace function audit.trigger_source(w audit.watched_tables) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $source$
declare
    key constant text := quote_ident(audit.key_column(w.relation));
    old_parent constant text := case when w.parent is null then 'null' else format('o.%I', w.parent) end;
    new_parent constant text := case when w.parent is null then 'null' else format('n.%I', w.parent) end;
    whole_old constant text := audit.row_source(w, 'o');
    whole_new constant text := audit.row_source(w, 'n');
begin
    return format($body$
#variable_conflict use_variable
declare
    actor audit.actor;
    user_id bigint;
    session_id bigint;
    database_role constant text := session_user;
    application constant text := nullif(current_setting('application_name'), '');
    client_address constant inet := inet_client_addr();
    source audit.source := 'SQL';
    operation text;
    reason text;
    request text;
    action constant audit.action := case tg_op when 'INSERT' then 'CREATE' else tg_op end;
    moment constant timestamptz := clock_timestamp();
    -- bigint, because block range indexes (BRIN) do not take xid8.
    transaction_number constant bigint := pg_current_xact_id()::text::bigint;
begin
    -- A login that has not said what it is: SQL by hand. No need to ask audit.current_actor.
    if database_role = 'backstitch_app' or current_setting('backstitch.source', true) <> '' then
        actor := audit.current_actor();
        user_id := actor.user_id;
        session_id := actor.session_id;
        source := actor.source;
        operation := actor.operation;
        reason := actor.reason;
        request := actor.request;
        if database_role = 'backstitch_app' then
            perform audit.require_right(tg_relid, tg_op);
        end if;
    end if;
    if tg_op = 'INSERT' then
        %1$s
        from new_rows n;
    elsif tg_op = 'UPDATE' then
        %2$s
    elsif tg_op = 'DELETE' then
        %3$s
        from old_rows o;
    elsif tg_op = 'TRUNCATE' then
        -- The snapshot must see every row that TRUNCATE removes.
        if current_setting('transaction_isolation') <> 'read committed' then
            raise exception 'TRUNCATE of %% is refused under isolation level %%: rows could go unrecorded',
                tg_relid::regclass, current_setting('transaction_isolation')
                using errcode = 'feature_not_supported', constraint = 'truncate_read_committed',
                      hint = 'Use READ COMMITTED, or DELETE.';
        end if;
        %3$s
        from %4$s o;
    end if;
    return null;
end
$body$,
        audit.insert_source(w, 'n.' || key, new_parent, 'action', 'null', whole_new),
        audit.update_source(
            w, key, audit.insert_source(w, 'o.' || key, old_parent, '''DELETE''', whole_old, 'null'),
            audit.insert_source(w, 'n.' || key, new_parent, '''CREATE''', 'null', whole_new)),
        audit.insert_source(w, 'o.' || key, old_parent, 'action', whole_old, 'null'),
        w.relation);
end
$source$;
comment on function audit.trigger_source(audit.watched_tables) is
    'Returns the body of the trigger function of a table.';

create or replace function audit.update_source(w audit.watched_tables, key text, deleted text, created text)
returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $source$
declare
    differs constant text := (select string_agg(c.differs, E'\n            or ') from audit.column_sources(w) c);
    changed_old constant text := audit.changes_source(w, 'o');
    changed_new constant text := audit.changes_source(w, 'n');
    parent constant text := case when w.parent is null then 'null'
        else format('case when n.%1$s is null then o.%2$I else n.%2$I end', key, w.parent) end;
    pairs constant text := '(select row_number() over () as audit_place, * from old_rows) o '
                           'join (select row_number() over () as audit_place, * from new_rows) n '
                           'on n.audit_place = o.audit_place and n.%1$s %2$s o.%1$s';
begin
    if not audit.has_cascades(w.relation) then
        -- Old and new rows pair by key. A row whose key changed has no pair: the full join keeps both of its sides, one
        -- as a DELETE and one as a CREATE. A full join is never a nested loop, not even in a generic plan that was made
        -- for single-row updates.
        return format('%s
        from old_rows o full join new_rows n on n.%2$s = o.%2$s
        where %3$s;',
            audit.insert_source(
                w, format('coalesce(n.%1$s, o.%1$s)', key), parent,
                format('case when o.%1$s is null then ''CREATE''::audit.action
                when n.%1$s is null then ''DELETE''::audit.action else action end', key),
                format('case when n.%1$s is null then %2$s
                when o.%1$s is not null then
            %3$s end', key, audit.row_source(w, 'o'), changed_old),
                format('case when o.%1$s is null then %2$s
                when n.%1$s is not null then
            %3$s end', key, audit.row_source(w, 'n'), changed_new)),
            key, differs);
    end if;
    -- Foreign keys can update a row several times within one statement, so its key does not say which old version
    -- belongs to which new one. Their places do: both transition tables have the same order.
    return format('%1$s
        from %2$s
        where (%3$s)
        order by o.audit_place;
        if exists (select from %4$s) then
            %5$s
            from %4$s;
            %6$s
            from %4$s;
        end if;',
        audit.insert_source(w, 'n.' || key, parent, 'action', changed_old, changed_new),
        format(pairs, key, '='), differs, format(pairs, key, '<>'), deleted, created);
end
$source$;
comment on function audit.update_source(audit.watched_tables, text, text, text) is
    'Returns the statements of a trigger function that record an update. deleted and created are the statements, up to '
    'FROM, for the two sides of a row whose key changed.';

create or replace function audit.insert_source(
    w audit.watched_tables, id text, parent text, action text, old_values text, new_values text
) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $source$
    select format($insert$insert into audit.records (
            recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity, source,
            database_role, application, client_address, operation, reason, request, old_values, new_values)
        select moment, transaction_number, %s, %s, user_id, session_id,
            %s, %L, source,
            database_role, application, client_address, operation, reason, request,
            %s,
            %s$insert$, id, parent, action, w.entity, old_values, new_values)
$source$;
comment on function audit.insert_source(audit.watched_tables, text, text, text, text, text) is
    'Returns the statement of a trigger function that writes records, up to FROM. The arguments are SQL expressions.';

-- SQL for the values of a record ---------------------------------------------------------------

create or replace function audit.row_source(w audit.watched_tables, side text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- A function takes at most 100 arguments, so jsonb_build_object takes 50 columns a call.
    select string_agg(format('jsonb_build_object(%s)', pairs), ' || ' order by chunk)
    from (select (n - 1) / 50 as chunk,
                 string_agg(format('%L, %s', c.name, case side when 'o' then c.old_side else c.new_side end),
                            ', ' order by n) as pairs
          from audit.column_sources(w) with ordinality c (name, old_side, new_side, differs, n)
          group by 1) chunks
$$;
comment on function audit.row_source(audit.watched_tables, text) is
    'Returns SQL for the whole row of one side (o or n) as jsonb.';

create or replace function audit.changes_source(w audit.watched_tables, side text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(
        format('case when %s then jsonb_build_object(%L, %s) else ''{}'' end',
               differs, name, case side when 'o' then old_side else new_side end),
        E'\n            || '), '''{}''::jsonb')
    from audit.column_sources(w)
    where name <> audit.key_column(w.relation)
$$;
comment on function audit.changes_source(audit.watched_tables, text) is
    'Returns SQL for the changed columns of a row on one side (o or n) as jsonb. The key is left out: it is the same.';

create or replace function audit.column_sources(w audit.watched_tables)
returns table (name text, old_side text, new_side text, differs text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- Generated columns are left out, because they follow from the others. `is distinct from` is enough for a type
    -- whose equal values are identical. Others (1.0 = 1.00; json has no equality) are compared by their binary images
    -- (*<>); the casts to record keep the parser from expanding that to a comparison column by column.
    select a.attname, audit.value_source(w, 'o', a.attname), audit.value_source(w, 'n', a.attname),
           case when (a.atttypid = any (array['bigint', 'integer', 'smallint', 'boolean', 'date', 'time', 'uuid',
                                              'bytea', 'timestamptz', 'timestamp', 'text', 'varchar']::regtype[])
                      or a.atttypid = 'numeric'::regtype and a.atttypmod >= 0)
                     and coalesce(c.collisdeterministic, true)
                then format('o.%1$I is distinct from n.%1$I', a.attname)
                else format('row(o.%1$I)::record *<> row(n.%1$I)::record', a.attname) end
    from pg_attribute a
    left join pg_collation c on c.oid = a.attcollation
    where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    order by a.attnum
$$;
comment on function audit.column_sources(audit.watched_tables) is
    'Returns a row per recorded column, in the order of the table: its name, and SQL for its old value, for its new '
    'value and for whether they differ.';

create or replace function audit.value_source(w audit.watched_tables, side text, column_name text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case
        when column_name = any (w.redacted)
            then format('case when %s.%I is not null then ''redacted'' end', side, column_name)
        when column_name = any (w.personal)
            then format('audit.personal_reference(%L, %s.%I, %s, %L, to_jsonb(%s.%I))',
                        w.entity, side, audit.key_column(w.relation),
                        case when w.parent is null then 'null' else format('%s.%I', side, w.parent) end,
                        column_name, side, column_name)
        else format('%s.%I', side, column_name) end
$$;
comment on function audit.value_source(audit.watched_tables, text, text) is
    'Returns SQL for the value that a record holds of a column on one side (o or n): the value itself, `redacted` for a '
    'secret one, a reference for a personal one.';

-- The catalog's view of a table ----------------------------------------------------------------

create or replace function audit.key_column(target regclass) returns name
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    key name;
begin
    select a.attname into key
    from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = target and i.indisprimary and i.indnkeyatts = 1 and i.indimmediate
        and a.atttypid in ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype);
    if key is null then
        raise exception 'audit.watch: % has no primary key of one integer column that is checked at once', target
            using errcode = 'feature_not_supported', constraint = 'integer_primary_key',
                  hint = 'Give it "id bigint generated always as identity primary key".';
    end if;
    return key;
end
$$;
comment on function audit.key_column(regclass) is
    'Returns the name of the primary key column, whose value is records.entity_id. Refuses a table without one.';

create or replace function audit.has_cascades(target regclass) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_constraint c
                   where c.conrelid = target and c.contype = 'f'
                       and (c.confupdtype in ('c', 'n', 'd') or c.confdeltype in ('n', 'd')))
$$;
comment on function audit.has_cascades(regclass) is
    'Returns whether foreign keys can update rows of the table, so that one statement can update a row several times.';

create or replace function audit.recorded_columns(target regclass) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select jsonb_agg(jsonb_build_object('attnum', a.attnum, 'name', a.attname,
                                        'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
    from pg_attribute a
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
$$;
comment on function audit.recorded_columns(regclass) is
    'Returns the columns of a table that are recorded, as jsonb: [{"attnum": 1, "name": "id", "type": "bigint"}, ...].';

create or replace function audit.column_changes(before jsonb, after jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    with pairs as (
        select b.name as old_name, a.name as new_name, b.type as old_type, a.type as new_type
        from jsonb_to_recordset(before) b (attnum integer, name text, type text)
        full join jsonb_to_recordset(after) a (attnum integer, name text, type text) using (attnum))
    select jsonb_strip_nulls(jsonb_build_object(
        'added', jsonb_agg(new_name order by new_name) filter (where old_name is null),
        'dropped', jsonb_agg(old_name order by old_name) filter (where new_name is null),
        'renamed', jsonb_object_agg(old_name, new_name) filter (where old_name <> new_name),
        'retyped', jsonb_object_agg(new_name, jsonb_build_array(old_type, new_type))
                       filter (where old_type <> new_type)))
    from pairs
$$;
comment on function audit.column_changes(jsonb, jsonb) is
    'Returns what a migration did to the columns of a table: {"added": [], "dropped": [], "renamed": {old: new}, '
    '"retyped": {column: [old, new]}}. A key without a change is left out.';

create or replace function audit.with_renamed(names text[], renamed jsonb) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    -- The old name stays as well, because records from before the rename have it.
    select array(select unnest(names) union select renamed ->> name from unnest(names) name where renamed ? name
                 order by 1)
$$;
comment on function audit.with_renamed(text[], jsonb) is
    'Returns the names of columns, and the new names of those that were renamed.';
