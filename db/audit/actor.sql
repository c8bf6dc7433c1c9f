-- Backstitch: who acts. The actor of a transaction, its signature, its rights, and activities.
--
-- Contract. accounts.begin (db/accounts/sign_in.sql) checks a session and calls audit.sign_actor, which puts the user
-- into signed, transaction-local settings. Every trigger of the trail, and every definer function that writes, asks
-- audit.current_actor, which checks the signature. Definer functions that read or record ask audit.require_execute
-- first.
--
-- Locks. None.
--
-- Limits. The signature binds the settings to a backend and to the start of a transaction. Transactions that one
-- message of the simple query protocol holds have the same start, so for the signature they are one transaction.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.signature(
    user_id text, session_id text, role text, source text, operation text, reason text, request text
) returns text
language sql stable
as $$
    -- A nested keyed hash (as HMAC is): the inner digest never leaves this function, so nobody can extend its length.
    -- The pid and the start of the transaction bind it to this backend and this transaction.
    select encode(sha256(k.key || sha256(k.key || convert_to(
        jsonb_build_array(pg_backend_pid(), extract(epoch from transaction_timestamp()),
                          user_id, session_id, role, source, operation, reason, request)::text, 'UTF8'))), 'hex')
    from audit.signing_keys k
$$;
comment on function audit.signature(text, text, text, text, text, text, text) is
    'Returns the keyed SHA-256 over the actor, the backend and the transaction. For the owner only.';

create or replace function audit.require_short(source text, operation text, reason text, request text) returns void
language plpgsql immutable
as $$
begin
    -- Checked here, once a transaction, and not by the table of records, once a record.
    if length(operation) > 200 then
        raise exception 'an operation has at most 200 characters, not %', length(operation)
            using errcode = 'string_data_right_truncation', constraint = 'operation_short';
    elsif length(reason) > 400 then
        raise exception 'a reason has at most 400 characters, not %', length(reason)
            using errcode = 'string_data_right_truncation', constraint = 'reason_short';
    elsif length(request) > 64 then
        raise exception 'the id of a request has at most 64 characters, not %', length(request)
            using errcode = 'string_data_right_truncation', constraint = 'request_short';
    elsif source not in ('page', 'paste', 'import', 'API', 'command', 'SQL', 'undo', 'system') then
        raise exception 'there is no source %', left(source, 64)
            using errcode = 'check_violation', constraint = 'source_known',
                  hint = 'It is page, paste, import, API, command, SQL, undo or system.';
    end if;
end
$$;
comment on function audit.require_short(text, text, text, text) is
    'Refuses an unknown source, and an operation, a reason or the id of a request that is too long for a record.';

create or replace function audit.sign_actor(
    user_id bigint, session_id bigint, role text, source text, operation text, reason text, request text
) returns void
language plpgsql volatile
as $$
declare
    settings text[];
begin
    perform audit.require_short(source, operation, reason, request);
    -- An assignment is evaluated without the executor that PERFORM starts.
    settings := array[
        set_config('backstitch.user_id', user_id::text, true),
        set_config('backstitch.session_id', session_id::text, true),
        set_config('backstitch.role', role, true),
        set_config('backstitch.source', source, true),
        set_config('backstitch.operation', coalesce(operation, ''), true),
        set_config('backstitch.reason', coalesce(reason, ''), true),
        set_config('backstitch.request', coalesce(request, ''), true)];
    settings := settings || set_config('backstitch.signature', audit.signature(
        settings[1], settings[2], settings[3], settings[4], settings[5], settings[6], settings[7]), true);
end
$$;
comment on function audit.sign_actor(bigint, bigint, text, text, text, text, text) is
    'Puts an actor into the transaction-local settings and signs them. Called by definer functions that have checked '
    'who the user is. role is the database role that the user works with, or `definer` while a definer function writes '
    'for the user; such a function must sign another role, or call audit.forget_actor, before it returns.';

create or replace function audit.forget_actor() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('backstitch.' || name, '', true)
    from unnest(array['user_id', 'session_id', 'role', 'source', 'operation', 'reason', 'request', 'signature']) name;
end
$$;
comment on function audit.forget_actor() is
    'Clears the settings of audit.sign_actor, so that the rest of the transaction acts as nobody.';

create or replace function audit.act_as(actor audit.actor) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    if actor.user_id is null then
        perform set_config('backstitch.source', actor.source, true);
    else
        perform audit.sign_actor(actor.user_id, actor.session_id, current_setting('backstitch.role'), actor.source,
                                 actor.operation, actor.reason, actor.request);
    end if;
end
$$;
comment on function audit.act_as(audit.actor) is
    'Lets what follows in this transaction come from the source of an actor that audit.current_actor has returned, '
    'with the same user, operation, reason and request.';

create or replace function audit.claimed_actor() returns audit.actor
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    actor audit.actor;
begin
    -- After the transaction that set it, a transaction-local setting reads '', not null.
    actor.source := coalesce(nullif(current_setting('backstitch.source', true), ''), 'SQL');
    actor.operation := nullif(current_setting('backstitch.operation', true), '');
    actor.reason := nullif(current_setting('backstitch.reason', true), '');
    actor.request := nullif(current_setting('backstitch.request', true), '');
    actor.database_role := session_user;
    actor.application := nullif(current_setting('application_name'), '');
    actor.client_address := inet_client_addr();
    perform audit.require_short(actor.source, actor.operation, actor.reason, actor.request);
    return actor;
end
$$;
comment on function audit.claimed_actor() is
    'Returns the login, and what it says of itself in the settings: source, operation, reason and request. No user.';

create or replace function audit.current_actor() returns audit.actor
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    signed constant text := current_setting('backstitch.signature', true);
    role constant text := current_setting('backstitch.role', true);
    actor audit.actor;
begin
    if signed <> '' then
        actor.source := current_setting('backstitch.source', true);
        actor.operation := current_setting('backstitch.operation', true);
        actor.reason := current_setting('backstitch.reason', true);
        actor.request := current_setting('backstitch.request', true);
        if signed = audit.signature(
                current_setting('backstitch.user_id', true), current_setting('backstitch.session_id', true), role,
                actor.source, actor.operation, actor.reason, actor.request)
            -- The application must work with the role that accounts.begin returned for this user, not with another.
            and (session_user <> 'backstitch_app' or role in (current_setting('role'), 'definer'))
        then
            actor.user_id := current_setting('backstitch.user_id')::bigint;
            actor.session_id := current_setting('backstitch.session_id')::bigint;
            actor.operation := nullif(actor.operation, '');
            actor.reason := nullif(actor.reason, '');
            actor.request := nullif(actor.request, '');
            actor.database_role := session_user;
            actor.application := nullif(current_setting('application_name'), '');
            actor.client_address := inet_client_addr();
            return actor;
        end if;
    end if;
    if session_user = 'backstitch_app' then
        raise exception 'a change by the application without a signed-in user is refused'
            using errcode = 'insufficient_privilege', constraint = 'signed_in_user',
                  hint = 'Start the transaction with set_config(''role'', accounts.begin(token, ...), true).';
    end if;
    return audit.claimed_actor();
end
$$;
comment on function audit.current_actor() is
    'Returns who acts in this transaction: the signed-in user, or no user (system) but the login, the application and '
    'the address. Refuses the application''s login without a valid signature.';

create or replace function audit.signed_role() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select current_setting('backstitch.role', true) where (audit.current_actor()).user_id is not null
$$;
comment on function audit.signed_role() is
    'Returns the database role that accounts.begin gave the user of this transaction, whichever role is set now; null '
    'if no user has signed in. Refuses the application''s login without a valid signature.';

create or replace function audit.may_change(role_name text, target regclass, change text) returns boolean
language sql stable
as $$
    select case when change in ('INSERT', 'UPDATE') then has_any_column_privilege(role_name, target, change)
                else has_table_privilege(role_name, target, change) end
$$;
comment on function audit.may_change(text, regclass, text) is
    'Returns whether a role has the right to INSERT, UPDATE, DELETE or TRUNCATE the table, or some columns of it.';

create or replace function audit.require_right(target regclass, change text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    signed_role constant text := current_setting('backstitch.role');
begin
    -- PostgreSQL checks rights when a statement starts, and the statement can have changed its role just before or
    -- change it half-way (`where set_config('role', ...)`). So where any role of users has this right, the user's role
    -- must have it. Where none has (the quantity of a stock cell, say), a definer function is writing.
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
    'Refuses a change by the application to which the role of its signed-in user has no right.';

create or replace function audit.require_execute(target regprocedure) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    -- For the same reason as in audit.require_right: PostgreSQL checks only the role with which the statement starts.
    if session_user = 'backstitch_app' and not has_function_privilege(audit.signed_role(), target, 'execute') then
        raise exception '% is refused: % has no right to it', target, audit.signed_role()
            using errcode = 'insufficient_privilege', constraint = 'right_of_user',
                  hint = 'Work with the role that accounts.begin returned.';
    end if;
end
$$;
comment on function audit.require_execute(regprocedure) is
    'Refuses a call by the application of a function that the role of its signed-in user may not execute. Definer '
    'functions that read or record begin with it.';

-- Activity -------------------------------------------------------------------------------------

create or replace function audit.write_activity(
    actor audit.actor, action text, entity text, entity_id bigint, details jsonb
) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    record_id bigint;
begin
    -- The caller can have put a reason of its own into the actor.
    perform audit.require_short(actor.source, actor.operation, actor.reason, actor.request);
    if session_user = 'backstitch_app' and (length(entity) > 63 or octet_length(details::text) > 16384) then
        raise exception 'the details of an activity have at most 16384 bytes, not %', octet_length(details::text)
            using errcode = 'string_data_right_truncation', constraint = 'activity_short';
    end if;
    insert into audit.records (
        recorded_at, transaction_id, entity_id, user_id, session_id, action, entity, source,
        database_role, application, client_address, operation, reason, request, new_values)
    values (
        clock_timestamp(), pg_current_xact_id()::text::bigint, write_activity.entity_id, actor.user_id,
        actor.session_id, write_activity.action, write_activity.entity, actor.source,
        actor.database_role, actor.application, actor.client_address, actor.operation, actor.reason, actor.request,
        coalesce(details, '{}'))
    returning id into record_id;
    return record_id;
end
$$;
comment on function audit.write_activity(audit.actor, text, text, bigint, jsonb) is
    'Writes the record of an activity for this actor, whom the caller has checked. Refuses to the application details '
    'of more than 16,384 bytes. Returns the id of the record.';

create or replace function audit.record_activity(
    action text, entity text, entity_id bigint default null, details jsonb default '{}'
) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
        or session_user = 'backstitch_app' and action not in ('EXPORT', 'EXPORT_END', 'IMPORT')
    then
        raise exception '% is recorded by the database when it happens, not on request', action
            using errcode = 'insufficient_privilege', constraint = 'activity_on_request';
    end if;
    perform audit.require_execute('audit.record_activity(text, text, bigint, jsonb)');
    return audit.write_activity(audit.current_actor(), action, entity, entity_id, details);
end
$$;
comment on function audit.record_activity(text, text, bigint, jsonb) is
    'Records an activity that changes no row: an export, an import, maintenance. Refuses data changes, and to the '
    'application all but EXPORT, EXPORT_END and IMPORT. Returns the id of the record.';
