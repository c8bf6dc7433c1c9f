-- Backstitch: who acts. The actor of a transaction, its signature, the rights it is held to, and activities.
--
-- Whoever may write learns here who they are: accounts.begin (db/accounts/sign_in.sql) checks a session and calls
-- audit.sign_actor; every trigger of the trail asks audit.current_actor.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

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
as $$
    select case when change in ('INSERT', 'UPDATE') then has_any_column_privilege(role_name, target, change)
                else has_table_privilege(role_name, target, change) end
$$;
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
