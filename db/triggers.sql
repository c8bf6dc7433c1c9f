-- Backstitch: the audit trail: what is recorded, and how.
--
-- Purpose. Every insert, update, delete, upsert, MERGE, COPY, cascade and TRUNCATE on a watched table writes one record
-- per changed row into audit.records, in the same transaction, whoever runs it. The database writes the trail; no
-- application code has to remember to.
--
-- How. audit.watch(table, entity, ...) below puts a table on the record: it writes a trigger function with the columns
-- of the table spelled out, and four statement triggers that call it. For inventory.order_counters it writes this:
--
--     #variable_conflict use_variable
--     declare
--         actor audit.actor;
--         user_id bigint;
--         session_id bigint;
--         database_role constant text := session_user;
--         application constant text := nullif(current_setting('application_name'), '');
--         client_address constant inet := inet_client_addr();
--         operation constant text := nullif(current_setting('backstitch.operation', true), '');
--         reason constant text := nullif(current_setting('backstitch.reason', true), '');
--         action constant audit.action := case tg_op when 'INSERT' then 'CREATE' else tg_op end;
--         moment constant timestamptz := clock_timestamp();
--         -- There is no cast from xid8 to a type that a block range index takes.
--         transaction_number constant bigint := pg_current_xact_id()::text::bigint;
--     begin
--         -- A login of its own without a signature is the system, as audit.current_actor would say too.
--         if database_role = 'backstitch_app' or current_setting('backstitch.signature', true) <> '' then
--             actor := audit.current_actor();
--             user_id := actor.user_id;
--             session_id := actor.session_id;
--             if database_role = 'backstitch_app' then
--                 perform audit.require_right(tg_relid, tg_op);
--             end if;
--         end if;
--         if tg_op = 'INSERT' then
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
--                 database_role, application, client_address, operation, reason, old_values, new_values)
--             select moment, transaction_number, n.id, null, user_id, session_id,
--                 action, 'OrderCounter',
--                 database_role, application, client_address, operation, reason,
--                 null,
--                 jsonb_build_object('id', n.id, 'financial_year', n.financial_year, 'last_number', n.last_number)
--             from new_rows n;
--         elsif tg_op = 'UPDATE' then
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
--                 database_role, application, client_address, operation, reason, old_values, new_values)
--             select moment, transaction_number, coalesce(n.id, o.id), null, user_id, session_id,
--                 case when o.id is null then 'CREATE'::audit.action
--                     when n.id is null then 'DELETE'::audit.action else action end, 'OrderCounter',
--                 database_role, application, client_address, operation, reason,
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
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
--                 database_role, application, client_address, operation, reason, old_values, new_values)
--             select moment, transaction_number, o.id, null, user_id, session_id,
--                 action, 'OrderCounter',
--                 database_role, application, client_address, operation, reason,
--                 jsonb_build_object('id', o.id, 'financial_year', o.financial_year, 'last_number', o.last_number),
--                 null
--             from old_rows o;
--         elsif tg_op = 'TRUNCATE' then
--             -- The snapshot must see every row that goes.
--             if current_setting('transaction_isolation') <> 'read committed' then
--                 raise exception 'TRUNCATE of % is refused under isolation level %: rows could go unrecorded',
--                     tg_relid::regclass, current_setting('transaction_isolation')
--                     using errcode = 'feature_not_supported', constraint = 'truncate_read_committed',
--                           hint = 'Use READ COMMITTED, or DELETE.';
--             end if;
--             insert into audit.records (
--                 recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
--                 database_role, application, client_address, operation, reason, old_values, new_values)
--             select moment, transaction_number, o.id, null, user_id, session_id,
--                 action, 'OrderCounter',
--                 database_role, application, client_address, operation, reason,
--                 jsonb_build_object('id', o.id, 'financial_year', o.financial_year, 'last_number', o.last_number),
--                 null
--             from inventory.order_counters o;
--         end if;
--         return null;
--     end
--
-- The actor contract. A transaction of the application starts with
--     select set_config('role', accounts.begin(token, operation, reason), true);
-- (db/accounts/sign_in.sql). accounts.begin checks the session and leaves transaction-local settings
-- backstitch.user_id, .session_id, .role, .operation, .reason and .signature. The signature is made with a key that only
-- the definer functions can read, over those values, the backend and the transaction, so settings made by hand, or kept
-- from another transaction, do not verify (db/audit/actor.sql):
--   * verified settings: the record carries the user and the session;
--   * login backstitch_app without them: the statement is refused;
--   * any other login (a DBA in psql): the record says `system`, by carrying no user, and names the login, the
--     application and the address.
--
-- Limits. The owner of these objects and a superuser can disable triggers or edit the trail; nothing inside a database
-- can prevent that. A watched table needs a primary key of one integer column. ADD COLUMN ... DEFAULT, a rename and
-- ALTER TYPE fire no trigger: audit.watch is called again after each migration and records what they changed; an
-- ALTER TYPE ... USING that keeps the type only audit.record_unseen can be told of. Rows that a logical replication
-- subscription applies fire none either. A row that one statement changes twice (by a row trigger, through two foreign
-- keys, in a CTE that is not read to its end) can get its two records in reverse order, in which the trail shows them;
-- replay finds the order. jsonb has no negative zero, no array bounds and no json null apart from null; of a json column
-- it keeps the value. What was recorded before a column was declared personal or redacted stays as it was recorded.
--
-- search_path is `pg_catalog, pg_temp` everywhere: with an empty one PostgreSQL looks for types and tables in pg_temp
-- first, so a temporary domain called text would run its check with the rights of the owner. Functions without one are
-- called by functions that have it, so that PostgreSQL can inline them.
--
-- The tables of the trail are in db/migrations/versions/0001_tables.py. Beside this file: audit/actor.sql (who acts, and
-- activities), personal.sql (values about a person), partitions.sql (months), reading.sql (the views), seals.sql,
-- replay.sql and doctor.sql (proofs), undo.sql; rights.sql says who may call what.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

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
    -- Rows of a partition or a child are written past its parent's triggers, and those of an unlogged table
    -- do not outlive a crash, as their records do.
    if not exists (select from pg_class c where c.oid = target and c.relkind = 'r' and c.relpersistence = 'p'
                       and not exists (select from pg_inherits i where target in (i.inhrelid, i.inhparent)))
    then
        raise exception 'audit.watch: % is not an ordinary table', target
            using errcode = 'feature_not_supported', constraint = 'ordinary_table',
                  hint = 'Partitioned, inherited, unlogged and temporary tables cannot be watched.';
    end if;

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
    w.columns := audit.present_columns(target);

    -- Called again without details (after a column was added, say), it keeps the ones it has; a secret or
    -- personal column stays one under its new name.
    select * into known from audit.watched_tables t where t.relation = target;
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

    if w.parent is not null and not exists (
        select from pg_attribute a
        where a.attrelid = target and a.attname = w.parent and a.attnum > 0 and not a.attisdropped
            and a.atttypid in ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype))
    then
        raise exception 'audit.watch: % has no integer column %', target, w.parent
            using errcode = 'undefined_column', constraint = 'parent_column',
                  hint = 'parent names the column that refers to the record this one belongs to, such as product_id.';
    end if;
    perform audit.install_triggers(w);
    if known.function_name <> w.function_name then
        execute format('drop function audit.%I()', known.function_name);
    end if;
    insert into audit.watched_tables as t (relation, entity, function_name, parent, redacted, personal, columns)
    values (w.relation, w.entity, w.function_name, w.parent, w.redacted, w.personal, w.columns)
    on conflict on constraint watched_once do update
        set entity = excluded.entity, function_name = excluded.function_name, parent = excluded.parent,
            redacted = excluded.redacted, personal = excluded.personal, columns = excluded.columns;

    -- From here on nobody else writes the table: creating a trigger holds its lock until commit.
    if known.relation is null then
        perform audit.record_unseen(target);
    elsif changed <> '{}' then
        perform audit.record_activity('MAINTENANCE', w.entity, null,
                                      jsonb_build_object('table', target::text, 'columns', changed));
        perform audit.record_unseen(target, array(
            select jsonb_array_elements_text(changed -> 'added')
            union select value from jsonb_each_text(changed -> 'renamed')
            union select jsonb_object_keys(changed -> 'renamed')
            union select jsonb_object_keys(changed -> 'retyped')));
    end if;
end
$$;
comment on function audit.watch(regclass, text, text, text[], text[]) is
    'Puts a table on the record, with the rows it has; called again, brings its trigger function up to its present '
    'columns and records what a migration did to them. For the owner only.';

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
    'Takes a table off the record; that it was taken off is recorded. For the owner only.';

-- What audit.watch makes: a function and four triggers ----------------------------------------

create or replace function audit.install_triggers(w audit.watched_tables) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
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

    execute format('create or replace trigger audit_insert after insert on %s referencing new table as new_rows '
                   'for each statement execute function audit.%I()', w.relation, w.function_name);
    execute format('create or replace trigger audit_update after update on %s referencing old table as old_rows '
                   'new table as new_rows for each statement execute function audit.%I()', w.relation, w.function_name);
    execute format('create or replace trigger audit_delete after delete on %s referencing old table as old_rows '
                   'for each statement execute function audit.%I()', w.relation, w.function_name);
    execute format('create or replace trigger audit_truncate before truncate on %s '
                   'for each statement execute function audit.%I()', w.relation, w.function_name);
    -- ALWAYS: session_replication_role = replica would skip ordinary triggers.
    execute format('alter table %s enable always trigger audit_insert, enable always trigger audit_update, '
                   'enable always trigger audit_delete, enable always trigger audit_truncate', w.relation);
end
$$;
comment on function audit.install_triggers(audit.watched_tables) is
    'Makes the trigger function and the four triggers of a table, or brings them up to its present columns.';

create or replace function audit.trigger_settings(w audit.watched_tables) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- They make the stored bytes independent of the session's settings. Each costs a single-row change time, so a
    -- table has those that its types ask for; of a type that is not known here, all.
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
    'The settings of a table''s trigger function, as pg_proc.proconfig has them. Doctor compares them, too.';

create or replace function audit.trigger_source(w audit.watched_tables) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $source$
declare
    key constant text := quote_ident(audit.key_column(w.relation));
    old_parent constant text := case when w.parent is null then 'null' else format('o.%I', w.parent) end;
    new_parent constant text := case when w.parent is null then 'null' else format('n.%I', w.parent) end;
    whole_old constant text := audit.row_as_jsonb(w, 'o');
    whole_new constant text := audit.row_as_jsonb(w, 'n');
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
    operation constant text := nullif(current_setting('backstitch.operation', true), '');
    reason constant text := nullif(current_setting('backstitch.reason', true), '');
    action constant audit.action := case tg_op when 'INSERT' then 'CREATE' else tg_op end;
    moment constant timestamptz := clock_timestamp();
    -- There is no cast from xid8 to a type that a block range index takes.
    transaction_number constant bigint := pg_current_xact_id()::text::bigint;
begin
    -- A login of its own without a signature is the system, as audit.current_actor would say too.
    if database_role = 'backstitch_app' or current_setting('backstitch.signature', true) <> '' then
        actor := audit.current_actor();
        user_id := actor.user_id;
        session_id := actor.session_id;
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
        -- The snapshot must see every row that goes.
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
    'The body of the trigger function of a table, its columns spelled out. Doctor compares it with what is installed.';

create or replace function audit.update_source(w audit.watched_tables, key text, deleted text, created text)
returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $source$
declare
    differs constant text := (select string_agg(c.differs, E'\n            or ') from audit.columns_of(w) c);
    changed_old constant text := audit.changes_as_jsonb(w, 'o');
    changed_new constant text := audit.changes_as_jsonb(w, 'n');
    parent constant text := case when w.parent is null then 'null'
        else format('case when n.%1$s is null then o.%2$I else n.%2$I end', key, w.parent) end;
    places constant text := '(select row_number() over () as audit_place, * from old_rows) o '
                            'join (select row_number() over () as audit_place, * from new_rows) n '
                            'on n.audit_place = o.audit_place and n.%1$s %2$s o.%1$s';
begin
    if not audit.has_cascades(w.relation) then
        -- A changed primary key pairs with nothing: the old record ended, a new one began. The full join keeps both,
        -- and no plan of it is quadratic, not even one that is kept from single-row updates.
        return format('%s
        from old_rows o full join new_rows n on n.%2$s = o.%2$s
        where %3$s;',
            audit.insert_source(
                w, format('coalesce(n.%1$s, o.%1$s)', key), parent,
                format('case when o.%1$s is null then ''CREATE''::audit.action
                when n.%1$s is null then ''DELETE''::audit.action else action end', key),
                format('case when n.%1$s is null then %2$s
                when o.%1$s is not null then
            %3$s end', key, audit.row_as_jsonb(w, 'o'), changed_old),
                format('case when o.%1$s is null then %2$s
                when n.%1$s is not null then
            %3$s end', key, audit.row_as_jsonb(w, 'n'), changed_new)),
            key, differs);
    end if;
    -- A row that comes several times has several versions. They pair by place, in which both tables agree.
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
        format(places, key, '='), differs, format(places, key, '<>'), deleted, created);
end
$source$;
comment on function audit.update_source(audit.watched_tables, text, text, text) is
    'The part of a trigger function that records an update.';

create or replace function audit.insert_source(
    w audit.watched_tables, id text, parent text, action text, old_values text, new_values text
) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $source$
    select format($insert$insert into audit.records (
            recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
            database_role, application, client_address, operation, reason, old_values, new_values)
        select moment, transaction_number, %s, %s, user_id, session_id,
            %s, %L,
            database_role, application, client_address, operation, reason,
            %s,
            %s$insert$, id, parent, action, w.entity, old_values, new_values)
$source$;
comment on function audit.insert_source(audit.watched_tables, text, text, text, text, text) is
    'The statement of a trigger function that writes records, up to its FROM.';

-- What a record holds of a row ----------------------------------------------------------------

create or replace function audit.row_as_jsonb(w audit.watched_tables, side text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- jsonb_build_object takes 100 arguments at most, so 50 columns a call.
    select string_agg(format('jsonb_build_object(%s)', pairs), ' || ' order by chunk)
    from (select (n - 1) / 50 as chunk,
                 string_agg(format('%L, %s', c.name, case side when 'o' then c.old_side else c.new_side end),
                            ', ' order by n) as pairs
          from audit.columns_of(w) with ordinality c (name, old_side, new_side, differs, n)
          group by 1) chunks
$$;
comment on function audit.row_as_jsonb(audit.watched_tables, text) is 'SQL for a whole row (side o or n) as jsonb.';

create or replace function audit.changes_as_jsonb(w audit.watched_tables, side text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(
        format('case when %s then jsonb_build_object(%L, %s) else ''{}'' end',
               differs, name, case side when 'o' then old_side else new_side end), E'\n            || '), '''{}''::jsonb')
    from audit.columns_of(w)
    where name <> audit.key_column(w.relation)
$$;
comment on function audit.changes_as_jsonb(audit.watched_tables, text) is
    'SQL for the changed columns of one side (o or n) of a row that keeps its key, as jsonb.';

create or replace function audit.columns_of(w audit.watched_tables)
returns table (name text, old_side text, new_side text, differs text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- Generated columns are left out: they follow from the others. For types whose equality is not
    -- identity (1.0 = 1.00, json has none) the stored images are compared (*<>) instead of the values;
    -- the casts keep the parser from comparing the two rows column by column.
    select a.attname, audit.value_of(w, 'o', a.attname), audit.value_of(w, 'n', a.attname),
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
comment on function audit.columns_of(audit.watched_tables) is
    'The recorded columns, with the SQL that reads each side (o, n) and tells whether they differ.';

create or replace function audit.value_of(w audit.watched_tables, side text, column_name text) returns text
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
comment on function audit.value_of(audit.watched_tables, text, text) is
    'SQL for what a record holds of a column of one side (o or n).';

-- What the catalog says of a table ------------------------------------------------------------

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
comment on function audit.key_column(regclass) is 'Name of the primary key column that records.entity_id holds.';

create or replace function audit.has_cascades(target regclass) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_constraint c
                   where c.conrelid = target and c.contype = 'f'
                       and (c.confupdtype in ('c', 'n', 'd') or c.confdeltype in ('n', 'd')))
$$;
comment on function audit.has_cascades(regclass) is
    'Whether a foreign key can update rows of the table, and so one row several times within one statement.';

create or replace function audit.present_columns(target regclass) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- Generated columns are left out: they follow from the others.
    select jsonb_agg(jsonb_build_object('attnum', a.attnum, 'name', a.attname,
                                        'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
    from pg_attribute a
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
$$;
comment on function audit.present_columns(regclass) is 'The recorded columns of a table: attnum, name, type.';

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
    'What a migration did to the columns of a table: {"added": [], "dropped": [], "renamed": {old: new}, '
    '"retyped": {column: [old, new]}}, each only where there is one.';

create or replace function audit.with_renamed(names text[], renamed jsonb) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    -- Both names stay: the old one is in old records.
    select array(select unnest(names) union select renamed ->> name from unnest(names) name where renamed ? name
                 order by 1)
$$;
comment on function audit.with_renamed(text[], jsonb) is 'Names of columns, with the new names of those that were renamed.';
