-- Backstitch: the audit trail.
--
-- Purpose. Every insert, update, delete, upsert, MERGE, COPY, cascade and TRUNCATE on a watched
-- table writes one record per changed row into audit.records, in the same transaction, whoever
-- runs it. The database writes the trail; no application code has to remember to.
--
-- The actor contract. A transaction of the application starts with
--     select set_config('role', accounts.begin(token, operation, reason), true);
-- (db/accounts.sql). accounts.begin checks the session and leaves transaction-local settings
-- backstitch.user_id, .session_id, .role, .operation, .reason and .signature. The signature is made
-- with a key that only the definer functions can read, over those values, the backend and the
-- transaction, so settings made by hand, or kept from another transaction, do not verify.
--   * verified settings: the record carries the user and the session;
--   * login backstitch_app without them: the statement is refused;
--   * any other login (a DBA in psql): the record says `system`, by carrying no user, and names the
--     login, the application and the address.
--
-- Limits. The owner of these objects and a superuser can disable triggers or edit the trail; nothing
-- inside a database can prevent that. A watched table needs a primary key of one integer column.
-- ADD COLUMN ... DEFAULT, a rename and ALTER TYPE fire no trigger: the migration calls audit.watch again, which
-- records what they changed; an ALTER TYPE ... USING that keeps the type only audit.record_unseen can be told
-- of. Rows that a logical replication subscription applies fire none either. A row that one statement changes twice
-- (by a row trigger, through two foreign keys, in a CTE that is not read to its end) can get its two records in
-- reverse order, in which the trail shows them; replay finds the order. jsonb has no
-- negative zero, no array bounds and no json null apart from null; of a json column it keeps the value.
-- What was recorded before a column was declared personal or redacted stays as it was recorded.
--
-- search_path is `pg_catalog, pg_temp` everywhere: with an empty one PostgreSQL looks for types and tables
-- in pg_temp first, so a temporary domain called text would run its check with the rights of the owner.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.
-- Order: schema, tables, the actor, personal values, activity, watch and unwatch, partitions, reading, rights.

-- Not `if not exists`, which asks for the right to create schemas, and a restored database may not grant it.
do $$
begin
    if to_regnamespace('audit') is null then
        create schema audit;
    end if;
end
$$;

-- Tables ---------------------------------------------------------------------------------------

-- A domain: PostgreSQL keeps its check ready for use, and reads that of a table anew at every statement.
do $$
begin
    create domain audit.action as text constraint action_known check (value in (
        'CREATE', 'UPDATE', 'DELETE', 'TRUNCATE',
        'LOGIN', 'LOGIN_FAILED', 'LOGIN_LOCKED', 'LOGOUT', 'SESSION_EXPIRED', 'PASSWORD_CHANGE',
        'EXPORT', 'IMPORT', 'UNDO', 'AUDIT_DELETE', 'AUDIT_ARCHIVE', 'MAINTENANCE', 'VERIFY'));
exception when duplicate_object then null;
end
$$;
comment on domain audit.action is 'What a record can say was done: a change of data, or an activity.';

create sequence if not exists audit.records_id_seq;

create table if not exists audit.records (
    id bigint not null default nextval('audit.records_id_seq'),
    recorded_at timestamptz not null,
    transaction_id bigint not null,
    entity_id bigint,
    parent_id bigint,
    user_id bigint,
    session_id bigint,
    action audit.action not null,
    entity text not null,
    database_role text not null,
    application text,
    client_address inet,
    operation text,
    reason text,
    old_values jsonb,
    new_values jsonb,
    constraint records_pkey primary key (recorded_at, id)
) partition by range (recorded_at);

alter sequence audit.records_id_seq owned by audit.records.id;

-- Sealing reads the records of a range of transactions; block ranges cost a writer next to nothing.
create index if not exists records_by_transaction on audit.records
    using brin (transaction_id) with (pages_per_range = 32, autosummarize = on);
create index if not exists records_by_entity on audit.records (entity_id, entity);
create index if not exists records_by_parent on audit.records (parent_id) where parent_id is not null;

comment on table audit.records is
    'The trail: one record per changed row or activity. Written by the functions of this file only.';
comment on column audit.records.id is
    'Order within the trail. Has gaps: a rolled back transaction keeps its numbers.';
comment on column audit.records.recorded_at is
    'When the statement was recorded (clock_timestamp, one value per statement).';
comment on column audit.records.transaction_id is
    'Records of one transaction share it (pg_current_xact_id): what a click did, a bulk operation, an import.';
comment on column audit.records.entity_id is
    'Primary key of the changed row; for an activity, of the record it is about, if any.';
comment on column audit.records.parent_id is
    'Primary key of the record this one belongs to (a stock cell: its product), so that the history '
    'of a product includes its parts, deleted ones too.';
comment on column audit.records.user_id is 'accounts.users.id; null: no signed-in user, shown as system.';
comment on column audit.records.database_role is 'The login of the connection (session_user).';
comment on column audit.records.application is 'application_name: what the client called itself; not proof.';
comment on column audit.records.operation is 'What the user was doing, in words, as given to accounts.begin.';
comment on column audit.records.old_values is
    'UPDATE: the changed columns before. DELETE, TRUNCATE: the whole row. jsonb, with types.';
comment on column audit.records.new_values is
    'UPDATE: the changed columns after. CREATE: the whole row. Activity: its details.';

create table if not exists audit.watched_tables (
    relation regclass constraint watched_once primary key,
    entity text not null constraint entity_unique unique,
    function_name text not null constraint function_name_unique unique,
    parent text,
    redacted text[] not null,
    personal text[] not null,
    columns jsonb not null
);

comment on table audit.watched_tables is 'What audit.watch was told: the tables on the record, and how.';
comment on column audit.watched_tables.entity is 'The name of the record type in the trail, e.g. InwardLog.';
comment on column audit.watched_tables.parent is 'Column that goes into records.parent_id, e.g. product_id.';
comment on column audit.watched_tables.redacted is
    'Columns whose values never enter the trail; that they changed does.';
comment on column audit.watched_tables.personal is
    'Columns whose values are kept in audit.personal_values, where they can be erased. Once in, always in.';
comment on column audit.watched_tables.columns is
    'The recorded columns (attnum, name, type) when the table was last watched; what differs now, a migration did.';

create table if not exists audit.personal_values (
    id bigint generated always as identity constraint personal_values_pkey primary key,
    entity text not null,
    entity_id bigint,
    parent_id bigint,
    field text not null,
    value jsonb not null,
    salt bytea not null constraint salt_long_enough check (length(salt) >= 16)
);
create index if not exists personal_values_by_record on audit.personal_values (entity, entity_id, field);

comment on table audit.personal_values is
    'Values about a person, apart from the sealed records, which hold {"personal": id, "sha256": commitment} in '
    'their place. Erasing one leaves every record as it was; without the salt the commitment tells nothing.';
comment on column audit.personal_values.parent_id is 'As in audit.records: of a session, the user.';
comment on column audit.personal_values.salt is 'Random; a commitment without it could be guessed from a list of names.';

create table if not exists audit.signing_keys (
    only_row boolean primary key default true constraint one_signing_key check (only_row),
    key bytea not null constraint signing_key_long_enough check (length(key) >= 32)
);

comment on table audit.signing_keys is 'The key of the actor''s signature. Readable by the owner only.';

-- gen_random_uuid draws from the operating system's strong random source; 122 bits each.
insert into audit.signing_keys (key)
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
on conflict do nothing;

-- The actor ------------------------------------------------------------------------------------

create or replace function audit.signature(
    user_id text, session_id text, role text, operation text, reason text
) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    -- Nested keyed hash: the inner digest is not known outside, so it cannot be extended.
    -- Bound to this backend and this transaction: pid and transaction start (which only transactions
    -- sent as one message share, as good as one long transaction).
    select encode(sha256(k.key || sha256(k.key || convert_to(
        jsonb_build_array(pg_backend_pid(), extract(epoch from transaction_timestamp()),
                          user_id, session_id, role, operation, reason)::text, 'UTF8'))), 'hex')
    from audit.signing_keys k
$$;
comment on function audit.signature(text, text, text, text, text) is
    'Keyed SHA-256 over the actor, the backend and the transaction. Not executable by any role but the owner.';

create or replace function audit.sign_actor(
    user_id bigint, session_id bigint, role text, operation text, reason text
) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('backstitch.user_id', user_id::text, true),
            set_config('backstitch.session_id', session_id::text, true),
            set_config('backstitch.role', role, true),
            set_config('backstitch.operation', coalesce(operation, ''), true),
            set_config('backstitch.reason', coalesce(reason, ''), true),
            set_config('backstitch.signature',
                       audit.signature(user_id::text, session_id::text, role,
                                       coalesce(operation, ''), coalesce(reason, '')), true);
end
$$;
comment on function audit.sign_actor(bigint, bigint, text, text, text) is
    'Puts a checked actor into the transaction-local settings. Called by definer functions after their check. '
    'The role is the one the user works with; `definer` while a definer function itself writes for the user, '
    'which must sign another role, or call forget_actor, before it returns.';

create or replace function audit.forget_actor() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('backstitch.' || name, '', true)
    from unnest(array['user_id', 'session_id', 'role', 'operation', 'reason', 'signature']) name;
end
$$;
comment on function audit.forget_actor() is 'Ends what sign_actor began, before the transaction ends.';

do $$
begin
    create type audit.actor as (
        user_id bigint, session_id bigint, operation text, reason text,
        database_role text, application text, client_address inet);
exception when duplicate_object then null;
end
$$;

create or replace function audit.current_actor() returns audit.actor
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- After commit a transaction-local setting reads '', not null.
    signed constant text := nullif(current_setting('backstitch.signature', true), '');
    operation constant text := coalesce(current_setting('backstitch.operation', true), '');
    reason constant text := coalesce(current_setting('backstitch.reason', true), '');
    actor audit.actor;
begin
    actor.operation := nullif(operation, '');
    actor.reason := nullif(reason, '');
    actor.database_role := session_user;
    actor.application := nullif(current_setting('application_name'), '');
    actor.client_address := inet_client_addr();

    if signed is not null
        and signed = audit.signature(
            current_setting('backstitch.user_id', true), current_setting('backstitch.session_id', true),
            current_setting('backstitch.role', true), operation, reason)
        -- The application acts with the rights of the user it signed in, not with another role's.
        and (session_user <> 'backstitch_app'
             or current_setting('backstitch.role') in (current_setting('role'), 'definer'))
    then
        actor.user_id := current_setting('backstitch.user_id')::bigint;
        actor.session_id := current_setting('backstitch.session_id')::bigint;
    elsif session_user = 'backstitch_app' then
        raise exception 'a change by the application without a signed-in user is refused'
            using errcode = 'insufficient_privilege', constraint = 'signed_in_user',
                  hint = 'Start the transaction with set_config(''role'', accounts.begin(token, ...), true).';
    end if;
    return actor;
end
$$;
comment on function audit.current_actor() is
    'Who changes something now: a signed-in user, or nobody (system) with login, application and address. '
    'Refuses the application''s login when it has no valid signature.';

create or replace function audit.signed_role() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select current_setting('backstitch.role', true) where (audit.current_actor()).user_id is not null
$$;
comment on function audit.signed_role() is
    'The role that accounts.begin gave the user of this transaction, whichever the statement started with; null: '
    'nobody has signed in, which the application''s login is refused for.';

create or replace function audit.may_change(role_name text, target regclass, change text) returns boolean
language sql stable
begin atomic
    select case when change in ('INSERT', 'UPDATE') then has_any_column_privilege(role_name, target, change)
                else has_table_privilege(role_name, target, change) end;
end;
comment on function audit.may_change(text, regclass, text) is 'Whether a role has the right to some such statement.';

create or replace function audit.require_right(target regclass, change text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    signed_role constant text := current_setting('backstitch.role');
begin
    -- PostgreSQL checks rights as a statement starts, and a statement can change its role half-way
    -- (`where set_config('role', ...)`). So a right that some role of the application has must be the
    -- user's. What none of them has, the stock of a cell say, only definer functions write.
    if signed_role <> 'definer'
        and not audit.may_change(signed_role, target, change)
        and exists (select from unnest(array['backstitch_admin', 'backstitch_manager',
                                             'backstitch_analyst', 'backstitch_viewer']) role_name
                    where audit.may_change(role_name, target, change))
    then
        raise exception '% of % is refused: % has no right to it', change, target, signed_role
            using errcode = 'insufficient_privilege', constraint = 'right_of_user',
                  hint = 'Work with the role that accounts.begin returned.';
    end if;
end
$$;
comment on function audit.require_right(regclass, text) is
    'Refuses a change by the application with a right that the role of its signed-in user does not have.';

create or replace function audit.require_execute(target regprocedure) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    -- As with tables: PostgreSQL asks what the role may do with which the statement starts.
    if session_user = 'backstitch_app' and not has_function_privilege(audit.signed_role(), target, 'execute') then
        raise exception '% is refused: % has no right to it', target, audit.signed_role()
            using errcode = 'insufficient_privilege', constraint = 'right_of_user',
                  hint = 'Work with the role that accounts.begin returned.';
    end if;
end
$$;
comment on function audit.require_execute(regprocedure) is
    'Refuses the application a function that the role of its signed-in user may not call. Definer functions that read '
    'or record begin with it.';

-- Personal values ------------------------------------------------------------------------------

create or replace function audit.commitment(salt bytea, value jsonb) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(salt || convert_to(value::text, 'UTF8')), 'hex')
$$;
comment on function audit.commitment(bytea, jsonb) is 'What a record keeps of a personal value: its salted SHA-256.';

create or replace function audit.keep_personal(
    entity text, entity_id bigint, parent_id bigint, field text, value jsonb
) returns jsonb
language sql volatile set search_path = pg_catalog, pg_temp
as $$
    insert into audit.personal_values as p (entity, entity_id, parent_id, field, value, salt)
    select entity, entity_id, parent_id, field, value, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    where value is not null
    returning jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value))
$$;
comment on function audit.keep_personal(text, bigint, bigint, text, jsonb) is
    'Puts a value where it can be erased, and returns the reference that goes into the record.';

create or replace function audit.personal_reference(
    entity text, entity_id bigint, parent_id bigint, field text, value jsonb
) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    reference jsonb;
begin
    if value is null then
        return null;
    end if;
    -- The same value of the same field keeps its reference, so that the old side of a record is the new side
    -- of the one before.
    select jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value)) into reference
    from audit.personal_values p
    where p.entity = personal_reference.entity and p.entity_id = personal_reference.entity_id
        and p.field = personal_reference.field and p.value::text = personal_reference.value::text
    order by p.id desc limit 1
    -- Held until this record is there to see: audit.delete_records would take the value away with the ones before.
    for key share;
    return coalesce(reference, audit.keep_personal(entity, entity_id, parent_id, field, value));
end
$$;
comment on function audit.personal_reference(text, bigint, bigint, text, jsonb) is
    'The reference of a personal value of a row, new or the one it has. Called by the generated trigger functions.';

create or replace function audit.reference_of(recorded jsonb) returns bigint
language sql immutable parallel safe
begin atomic
    select case when jsonb_typeof(recorded) = 'object' and recorded ? 'sha256'
                     and recorded ->> 'personal' ~ '^[0-9]{1,18}$'
                then (recorded ->> 'personal')::bigint end;
end;
comment on function audit.reference_of(jsonb) is
    'Which personal value a recorded value refers to; null where it is no reference.';

create or replace function audit.revealed(recorded jsonb, erased jsonb default '"forgotten"') returns jsonb
language sql stable strict security definer set search_path = pg_catalog, pg_temp
as $$
    -- Details of an activity can look like a reference; only one whose commitment fits opens anything.
    select coalesce(jsonb_object_agg(
        f.key,
        case when r.id is null then f.value
             when p.id is null then erased
             when audit.commitment(p.salt, p.value) = f.value ->> 'sha256' then p.value
             else '"altered"' end), '{}')
    from jsonb_each(recorded) f
    cross join lateral (select audit.reference_of(f.value)) r (id)
    left join audit.personal_values p on p.id = r.id
$$;
comment on function audit.revealed(jsonb, jsonb) is
    'Recorded values with personal ones in place of their references; `forgotten` for those that were erased, '
    '`altered` where the value does not fit the commitment of the record.';

-- Activity -------------------------------------------------------------------------------------

create or replace function audit.write_activity(
    actor audit.actor, action text, entity text, entity_id bigint, details jsonb
) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    insert into audit.records (
        recorded_at, transaction_id, entity_id, user_id, session_id, action, entity,
        database_role, application, client_address, operation, reason, new_values)
    values (
        clock_timestamp(), pg_current_xact_id()::text::bigint, entity_id, actor.user_id, actor.session_id,
        action, entity,
        actor.database_role, actor.application, actor.client_address, actor.operation, actor.reason,
        coalesce(details, '{}'))
    returning id
$$;
comment on function audit.write_activity(audit.actor, text, text, bigint, jsonb) is
    'Writes an activity for an actor that the calling definer function has established.';

create or replace function audit.record_activity(
    action text, entity text, entity_id bigint default null, details jsonb default '{}'
) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
        or session_user = 'backstitch_app' and action not in ('EXPORT', 'IMPORT')
    then
        raise exception '% is recorded by the database when it happens, not on request', action
            using errcode = 'insufficient_privilege', constraint = 'activity_on_request';
    end if;
    perform audit.require_execute('audit.record_activity(text, text, bigint, jsonb)');
    return audit.write_activity(audit.current_actor(), action, entity, entity_id, details);
end
$$;
comment on function audit.record_activity(text, text, bigint, jsonb) is
    'Records what changes no row: an export, an import, maintenance. Returns the id of the record.';

-- Watch and unwatch ----------------------------------------------------------------------------

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

create or replace function audit.has_cascades(target regclass) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_constraint c
                   where c.conrelid = target and c.contype = 'f'
                       and (c.confupdtype in ('c', 'n', 'd') or c.confdeltype in ('n', 'd')))
$$;
comment on function audit.has_cascades(regclass) is
    'Whether a foreign key can update rows of the table, and so one row several times within one statement.';

create or replace function audit.insert_source(
    w audit.watched_tables, id text, parent text, action text, old_values text, new_values text
) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $source$
    select format($insert$insert into audit.records (
            recorded_at, transaction_id, entity_id, parent_id, user_id, session_id, action, entity,
            database_role, application, client_address, operation, reason, old_values, new_values)
        select moment, transaction_number, %s, %s, user_id, session_id, %s, %L,
            database_role, application, client_address, operation, reason,
            %s,
            %s$insert$, id, parent, action, w.entity, old_values, new_values)
$source$;
comment on function audit.insert_source(audit.watched_tables, text, text, text, text, text) is
    'The statement of a trigger function that writes records, up to its FROM.';

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
                format('case when o.%1$s is null then ''CREATE''::audit.action '
                       'when n.%1$s is null then ''DELETE''::audit.action else action end', key),
                format('case when n.%1$s is null then %2$s
            when o.%1$s is not null then %3$s end', key, audit.row_as_jsonb(w, 'o'), changed_old),
                format('case when o.%1$s is null then %2$s
            when n.%1$s is not null then %3$s end', key, audit.row_as_jsonb(w, 'n'), changed_new)),
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

create or replace function audit.followed(names text[], renamed jsonb) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    -- Both names stay: the old one is in old records.
    select array(select unnest(names) union select renamed ->> name from unnest(names) name where renamed ? name
                 order by 1)
$$;
comment on function audit.followed(text[], jsonb) is 'Names of columns, with the new names of those that were renamed.';

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
            w.redacted := audit.followed(known.redacted, coalesce(changed -> 'renamed', '{}'));
        end if;
        w.personal := audit.followed(array(select unnest(known.personal) union select unnest(watch.personal)),
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

-- Partitions -----------------------------------------------------------------------------------

create table if not exists audit.records_default partition of audit.records default;
comment on table audit.records_default is 'Safety net: records of a month that has no partition. Should be empty.';

create or replace function audit.make_partitions(first date default current_date, months integer default 3)
returns integer
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

select audit.make_partitions();

-- Reading --------------------------------------------------------------------------------------

create or replace function audit.field_changes(action text, old_values jsonb, new_values jsonb)
returns table (field_changed text, old_value text, new_value text)
language sql immutable parallel safe
begin atomic
    select null::text, old_values::text, new_values::text where action <> 'UPDATE'
    union all
    select key, old_values ->> key, new_values ->> key
    from jsonb_object_keys(case when action = 'UPDATE' then old_values end) key;
end;
comment on function audit.field_changes(text, jsonb, jsonb) is
    'One row per changed field of an update; one row with the whole record for anything else.';

-- What is watched already follows this file and the present columns of its table.
select audit.watch(w.relation) from audit.watched_tables w join pg_class c on c.oid = w.relation;

-- Rights: nobody but the owner touches the tables or runs the functions; accounts.sql opens what is open.

revoke all on schema audit from public;
revoke all on all tables in schema audit from public;
revoke all on all sequences in schema audit from public;
revoke all on all functions in schema audit from public;
