-- Backstitch: sign-in, sessions and passwords.
--
-- Contract. The application's login cannot read accounts.users or accounts.sessions. To sign a user in it must prove
-- the password: it asks for the salt (accounts.password_salt), computes bcrypt itself and passes the result, the proof,
-- to accounts.sign_in, which compares its SHA-256 with the stored one. So whoever can only run SQL as backstitch_app
-- cannot act as a user without the password. A session is a row of accounts.sessions with the SHA-256 of a random
-- token; accounts.begin(token, ...) establishes the user of a transaction.
--
-- Lock-out. Failed attempts are counted in runtime.sign_in_attempts, so a lock-out holds for every process and survives
-- a restart.
--
-- Locks. A sign-in locks its counters first, in the order of their kinds, and then the row of the user.
--
-- Limits. A rolled back transaction takes its counts with it. So the counts bind whoever comes through the application,
-- not somebody who runs SQL as its login.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.
-- Order: attempts, sign-in, transactions, sessions, passwords, triggers of accounts.users.

-- Attempts -------------------------------------------------------------------------------------

create or replace function accounts.counter_key(kind text, subject text) returns bytea
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select sha256(k.key || convert_to(format('attempt %s %s', kind, subject), 'UTF8')) from audit.signing_keys k
$$;
comment on function accounts.counter_key(text, text) is
    'Returns the key of a counter in runtime.sign_in_attempts: a keyed hash of its kind and its subject (a name, a '
    'browser, a network).';

create or replace function accounts.attempt_counters(email text, token text, address inet)
returns table (kind text, key bytea, checked boolean, allowed integer, memory interval)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- A browser in which this user has signed in before has a counter of its own, and only that one locks it. So
    -- strangers who fail on purpose cannot lock users out of their own browsers. A network allows more failures,
    -- because many people share it.
    with who as (
        select lower(btrim(coalesce(attempt_counters.email, ''))) as name,
               sha256(convert_to(coalesce(attempt_counters.token, ''), 'UTF8')) as token_hash,
               set_masklen(attempt_counters.address,
                           case family(attempt_counters.address) when 6 then 64 else 32 end) as network),
    known as (
        select who.*, exists (select from accounts.sessions s join accounts.users u on u.id = s.user_id
                              where s.token_hash = who.token_hash and lower(u.email) = who.name) as browser
        from who)
    select 'address', accounts.counter_key('address', host(network(k.network))), not k.browser, 20, interval '2 hours'
    from known k where k.network is not null
    union all
    select 'browser', accounts.counter_key('browser', encode(k.token_hash, 'hex')), true, 5, interval '1 day'
    from known k where k.browser
    union all
    select 'user', accounts.counter_key('user', k.name), not k.browser, 5, interval '1 day'
    from known k
$$;
comment on function accounts.attempt_counters(text, text, inet) is
    'Returns the counters of an attempt, in the order in which they are locked: whether they can lock this attempt '
    'out, how many failures they allow, and how long after the last failure they are kept.';

create or replace function accounts.locked_until(email text, token text, address inet) returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select max(a.locked_until)
    from accounts.attempt_counters(email, token, address) k join runtime.sign_in_attempts a on a.key = k.key
    where k.checked and a.locked_until > now()
$$;
comment on function accounts.locked_until(text, text, inet) is
    'Returns until when sign-ins for this name from this browser and address are locked; null if they are not. Also '
    'for unknown names.';

create or replace function accounts.hold_attempts(email text, token text, address inet) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
    insert into runtime.sign_in_attempts as a (key, failures, forget_at)
    select k.key, 0, now() + k.memory from accounts.attempt_counters(email, token, address) k order by k.kind
    on conflict (key) do update set
        failures = case when a.forget_at > now() then a.failures else 0 end,
        locked_until = case when a.forget_at > now() then a.locked_until end
$$;
comment on function accounts.hold_attempts(text, text, inet) is
    'Locks the counters of an attempt until the transaction ends, so that concurrent attempts are counted one after '
    'the other.';

create or replace function accounts.loggable_name(typed text) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select left(regexp_replace(typed, '[[:cntrl:]]', '', 'g'), 254)
$$;
comment on function accounts.loggable_name(text) is
    'Returns a user name as it was typed, without control characters and cut to 254 characters, for a record.';

create or replace function accounts.anonymous_actor(address inet) returns audit.actor
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    nobody audit.actor := audit.claimed_actor();
begin
    nobody.client_address := anonymous_actor.address;
    nobody.operation := 'sign in';
    return nobody;
end
$$;
comment on function accounts.anonymous_actor(inet) is
    'Returns the actor of a sign-in: no user yet, from an address.';

create or replace function accounts.log_failed_sign_in(person accounts.users, email text, address inet, cause text)
returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    name constant jsonb := audit.keep_personal('User', person.id, null, 'username',
                                               to_jsonb(accounts.loggable_name(log_failed_sign_in.email)));
begin
    perform audit.write_activity(accounts.anonymous_actor(address), 'LOGIN_FAILED', 'User', person.id,
                                 jsonb_build_object('username', name, 'cause', cause));
    return name;
end
$$;
comment on function accounts.log_failed_sign_in(accounts.users, text, inet, text) is
    'Records a failed attempt without counting it. Returns the reference that the record holds for the typed name.';

create or replace function accounts.lock_time(failures integer, allowed integer) returns interval
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select case when failures >= allowed
                then least(interval '1 hour', interval '1 minute' * power(2, least(failures - allowed, 10))) end
$$;
comment on function accounts.lock_time(integer, integer) is
    'Returns how long a counter locks after this failure: null below the allowed number, then one minute, doubled by '
    'each further failure up to an hour.';

create or replace function accounts.record_failure(
    person accounts.users, email text, token text, address inet, cause text
) returns void
-- The time in the record must not depend on the time zone of the session.
language plpgsql volatile set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    name constant jsonb := accounts.log_failed_sign_in(person, email, address, cause);
    locked text[];
    until timestamptz;
begin
    with counted as (
        update runtime.sign_in_attempts a
        set failures = a.failures + 1, forget_at = now() + k.memory,
            locked_until = now() + accounts.lock_time(a.failures + 1, k.allowed)
        from accounts.attempt_counters(email, token, address) k
        where a.key = k.key
        returning k.kind, a.locked_until)
    select array_agg(c.kind order by c.kind), max(c.locked_until) into locked, until
    from counted c where c.locked_until is not null;
    if locked is not null then
        perform audit.write_activity(accounts.anonymous_actor(address), 'LOGIN_LOCKED', 'User', person.id,
                                     jsonb_build_object('username', name, 'locked', locked, 'until', until));
    end if;

    delete from runtime.sign_in_attempts a
    where a.key in (select f.key from runtime.sign_in_attempts f where f.forget_at <= now()
                    order by f.forget_at limit 100 for update skip locked);
end
$$;
comment on function accounts.record_failure(accounts.users, text, text, inet, text) is
    'Records a failed attempt, counts it, locks the counters that have reached their limit, and deletes old counters.';

-- Sign-in --------------------------------------------------------------------------------------

create or replace function accounts.password_salt(email text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    -- An unknown name gets a salt too: always the same one, with the cost of one of the users. So neither the salt nor
    -- the time that bcrypt takes shows whether a user exists.
    select coalesce(
        (select split_part(u.password_hash, ':', 2) from accounts.users u
         where lower(u.email) = lower(btrim(password_salt.email)) and u.password_hash is not null),
        (select '$2b$'
                || coalesce((select substr(split_part(u.password_hash, ':', 2), 5, 2) from accounts.users u
                             where u.password_hash is not null
                             order by sha256(hash || int8send(u.id)) limit 1), '12')
                || '$' || left(translate(encode(hash, 'base64'), '+', '.'), 21)
                || substr('.Oeu', 1 + get_byte(hash, 31) % 4, 1)
         from audit.signing_keys k,
              sha256(k.key || convert_to('salt ' || lower(btrim(email)), 'UTF8')) hash))
$$;
comment on function accounts.password_salt(text) is
    'Returns the bcrypt salt with which to compute the proof of a password; for unknown names too.';

create or replace function accounts.password_matches(person accounts.users, proof text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(split_part(person.password_hash, ':', 3) = encode(sha256(convert_to(proof, 'UTF8')), 'hex'), false)
$$;
comment on function accounts.password_matches(accounts.users, text) is
    'Returns whether a bcrypt result proves the password of a user.';

create or replace function accounts.open_session(
    person accounts.users, token text, address inet, user_agent text, lifetime interval, idle_limit interval,
    renewed_hash text default null
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    session_id constant bigint := nextval(pg_get_serial_sequence('accounts.sessions', 'id'));
    hash_of_token constant bytea := sha256(convert_to(token, 'UTF8'));
    -- The longest that backstitch/settings.py allows. SQL as the application's login could ask for more.
    longest constant interval := '8760 hours';
    visitor constant audit.actor := accounts.anonymous_actor(address);
begin
    perform audit.sign_actor(person.id, session_id, 'definer', visitor.source, visitor.operation, null,
                             visitor.request);
    update accounts.sessions s set revoked_at = now()
    where s.token_hash = hash_of_token and s.revoked_at is null;
    insert into accounts.sessions (id, user_id, token_hash, address, user_agent, expires_at, idle_limit)
    overriding system value
    values (session_id, person.id, hash_of_token, open_session.address, left(open_session.user_agent, 400),
            now() + case when lifetime > longest then longest else lifetime end,
            case when open_session.idle_limit > longest then longest else open_session.idle_limit end);
    -- The same password, hashed at today's cost.
    if renewed_hash is not null then
        update accounts.users u set password_hash = renewed_hash where u.id = person.id;
    end if;
    perform audit.write_activity(audit.current_actor(), 'LOGIN', 'User', person.id, '{}');
    -- The signature was for this sign-in only: the rest of the transaction acts as nobody.
    perform audit.forget_actor();
end
$$;
comment on function accounts.open_session(accounts.users, text, inet, text, interval, interval, text) is
    'Opens a session for a user who has proved who they are, and records LOGIN. A live session with the same token '
    'ends. renewed_hash, if given, replaces the password hash.';

create or replace function accounts.sign_in(
    email text, proof text, token text, address inet, user_agent text, lifetime interval,
    idle_limit interval default '8 hours', renewed_hash text default null
) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    person accounts.users;
begin
    perform accounts.hold_attempts(email, token, address);
    if accounts.locked_until(email, token, address) is not null then
        return false;
    end if;
    -- Locked: two sign-ins of the same user at the same time could open two sessions with the same token.
    select * into person from accounts.users u where lower(u.email) = lower(btrim(sign_in.email))
    for no key update;

    if person.is_active and accounts.password_matches(person, proof) then
        -- Success clears the counters of the name and the browser, but not the network's: an attacker with an account
        -- of their own could clear it.
        delete from runtime.sign_in_attempts a using accounts.attempt_counters(email, token, address) k
        where a.key = k.key and (k.kind <> 'address' or a.failures = 0);
        perform accounts.open_session(person, token, address, user_agent, lifetime, idle_limit, renewed_hash);
        return true;
    end if;
    perform accounts.record_failure(person, email, token, address,
        case when person.id is null then 'unknown user'
             when not person.is_active then 'deactivated user'
             else 'wrong password' end);
    return false;
end
$$;
comment on function accounts.sign_in(text, text, text, inet, text, interval, interval, text) is
    'Checks the proof of a password (the bcrypt result) and opens a session for the token. Returns whether it did. '
    'Records LOGIN, or LOGIN_FAILED with the typed name. While accounts.locked_until has a time it checks nothing and '
    'returns false. renewed_hash replaces the password hash, for a higher cost of bcrypt.';

create or replace function accounts.use_assertion(assertion text, asserted_at timestamptz) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    delete from runtime.used_assertions a where a.forget_at <= now();
    -- Streamlit keeps an assertion in a cookie for a month, long after the session that it opened has ended.
    if asserted_at is null or asserted_at not between now() - interval '5 minutes' and now() + interval '5 minutes' then
        return false;
    end if;
    insert into runtime.used_assertions (key, forget_at)
    values (accounts.counter_key('assertion', assertion), now() + interval '15 minutes')
    on conflict do nothing;
    return found;
end
$$;
comment on function accounts.use_assertion(text, timestamptz) is
    'Marks an assertion of an identity provider as used. Returns whether it is fresh and had not been used before.';

create or replace function accounts.sign_in_by_provider(
    email text, secret text, assertion text, asserted_at timestamptz, token text, address inet, user_agent text,
    lifetime interval, idle_limit interval
) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    person accounts.users;
    assertion_is_old constant text := 'the provider''s word is old';
    cause text;
begin
    -- Counters before the user, as in accounts.sign_in: otherwise the two could deadlock.
    perform accounts.hold_attempts(email, token, address);
    -- Two addresses can be equal in the lower case of Unicode and yet be different (the Kelvin sign and k), and the
    -- provider has verified only one of them. So the lower case of ASCII has to be equal as well.
    select * into person from accounts.users u
    where lower(u.email) = lower(btrim(sign_in_by_provider.email))
        and lower(u.email collate "C") = lower(btrim(sign_in_by_provider.email) collate "C")
    for no key update;
    cause := case
        when not exists (select from runtime.single_sign_on k
                         where k.secret_hash = sha256(convert_to(sign_in_by_provider.secret, 'UTF8')))
            then 'single sign-on is not set up'
        when not accounts.use_assertion(assertion, asserted_at) then assertion_is_old
        when person.id is null then 'unknown user'
        when not person.is_active then 'deactivated user' end;
    if cause is null then
        perform accounts.open_session(person, token, address, user_agent, lifetime, idle_limit);
        return null;
    end if;
    -- A tab that is opened again sends the same assertion again. That is no guess, so it is not counted.
    if cause = assertion_is_old then
        perform accounts.log_failed_sign_in(person, email, address, cause);
    else
        perform accounts.record_failure(person, email, token, address, cause);
    end if;
    return cause;
end
$$;
comment on function
    accounts.sign_in_by_provider(text, text, text, timestamptz, text, inet, text, interval, interval) is
    'Opens a session for an address that the identity provider has verified, once per assertion. Returns null, or why '
    'not. The secret, which only the process of the application has, vouches for the provider: without it, SQL as the '
    'application''s login could open a session of anybody.';

-- Transactions ---------------------------------------------------------------------------------

create or replace view runtime.sessions as
select s.id, s.user_id, s.kind, s.token_hash, s.address, s.user_agent, s.created_at, s.revoked_at,
       coalesce(a.last_seen_at, s.created_at) as last_seen_at,
       least(s.expires_at, coalesce(a.last_seen_at, s.created_at) + s.idle_limit) as ends_at
from accounts.sessions s
left join runtime.session_activity a on a.session_id = s.id;
comment on view runtime.sessions is
    'Sessions with when they were last seen and when they end. A session is live while revoked_at is null and ends_at '
    'is in the future.';

create or replace function accounts.begin(
    token text, operation text default null, reason text default null, source text default 'SQL',
    request text default null
) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    session_id bigint;
    user_id bigint;
    role text;
    door text;
begin
    -- A user whose password an admin has set may only read until the user replaces it.
    select s.id, u.id, case when u.must_change_password then 'backstitch_viewer' else 'backstitch_' || u.role end,
           case s.kind when 'token' then 'API' else coalesce(begin.source, 'SQL') end
    into session_id, user_id, role, door
    from runtime.sessions s join accounts.users u on u.id = s.user_id
    where s.token_hash = sha256(convert_to(token, 'UTF8'))
        and s.revoked_at is null and s.ends_at > now() and u.is_active;
    if session_id is null then
        raise exception 'no live session for this token'
            using errcode = 'invalid_authorization_specification', constraint = 'session_live',
                  hint = 'Sign in again.';
    end if;
    perform audit.sign_actor(user_id, session_id, role, door, operation, reason, request);
    return role;
end
$$;
comment on function accounts.begin(text, text, text, text, text) is
    'Establishes the user of this transaction and returns their database role, for the caller to set: '
    'select set_config(''role'', accounts.begin(token, operation, reason, source, request), true). source is the door '
    'through which the user came (audit.source); that of an API token is always API. request is the id of the request.';

-- Sessions -------------------------------------------------------------------------------------

create or replace function accounts.end_expired_sessions() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    request constant text := (audit.claimed_actor()).request;
    overdue record;
begin
    for overdue in
        select s.id, s.user_id, s.expires_at <= now() as too_old
        from accounts.sessions s
        where s.id in (select r.id from runtime.sessions r where r.revoked_at is null and r.ends_at <= now())
        order by s.id limit 100
        for no key update skip locked
    loop
        perform audit.sign_actor(overdue.user_id, overdue.id, 'definer', 'system', 'session expired', null, request);
        update accounts.sessions s set revoked_at = now() where s.id = overdue.id;
        perform audit.write_activity(audit.current_actor(), 'SESSION_EXPIRED', 'User', overdue.user_id,
            jsonb_build_object('cause', case when overdue.too_old then 'its time was over' else 'it was not used' end));
        perform audit.forget_actor();
    end loop;
end
$$;
comment on function accounts.end_expired_sessions() is
    'Revokes sessions that have ended by time, and records SESSION_EXPIRED, up to 100 a call. accounts.begin refuses '
    'such sessions even before.';

create or replace function accounts.seen(token text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    session_id bigint;
begin
    perform accounts.end_expired_sessions();
    select s.id into session_id from runtime.sessions s
    where s.token_hash = sha256(convert_to(token, 'UTF8')) and s.revoked_at is null and s.ends_at > now();
    if session_id is null then
        return false;
    end if;
    insert into runtime.session_activity as a (session_id, last_seen_at) values (session_id, now())
    on conflict on constraint session_activity_pkey do update set last_seen_at = excluded.last_seen_at
    where a.last_seen_at < now() - interval '1 minute';
    return true;
end
$$;
comment on function accounts.seen(text) is
    'Notes, to the minute, that a session is in use. Returns false if it has ended. Also ends expired sessions of all '
    'users.';

create or replace function accounts.why_ended(token text, session_id bigint default null) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    with last as (
        select s.id, s.user_id, s.ends_at, u.is_active
        from runtime.sessions s join accounts.users u on u.id = s.user_id
        where s.token_hash = sha256(convert_to(token, 'UTF8'))
            and (why_ended.session_id is null or s.id = why_ended.session_id)
        order by s.id desc limit 1),
    ending as (
        select r.recorded_at, r.transaction_id, r.user_id = l.user_id as is_own, r.session_id = l.id as is_here
        from last l join audit.records r on r.entity = 'Session' and r.entity_id = l.id
        where r.action = 'UPDATE' and r.new_values ? 'revoked_at'
        order by r.id desc limit 1),
    -- What else its transaction did to the user says why.
    causes as (
        select 1 as rank, 'deactivated' as cause from last l where not l.is_active
        union all
        select case r.action when 'PASSWORD_CHANGE' then 2 when 'UPDATE' then 3 else 4 end,
               case r.action when 'PASSWORD_CHANGE' then 'password'
                             when 'UPDATE' then 'role'
                             when 'SESSION_EXPIRED' then 'expired'
                             when 'LOGIN' then 'signed in again'
                             else case when e.is_here then 'signed out'
                                       when e.is_own then 'signed out elsewhere'
                                       else 'signed out by an admin' end end
        from last l, ending e, audit.records r
        where r.entity = 'User' and r.entity_id = l.user_id and r.transaction_id = e.transaction_id
            -- The number of a transaction names it within one era of the server only.
            and r.recorded_at between e.recorded_at - interval '1 hour' and e.recorded_at + interval '1 hour'
            and (r.action in ('PASSWORD_CHANGE', 'SESSION_EXPIRED', 'LOGIN', 'LOGOUT')
                 or r.action = 'UPDATE' and r.new_values ? 'role')
        union all
        select 5, 'expired' from last l where l.ends_at <= now())
    select c.cause from causes c order by c.rank limit 1
$$;
comment on function accounts.why_ended(text, bigint) is
    'Returns why a session has ended, or the last one of this token: deactivated, password, role, expired, signed in '
    'again, signed out, signed out elsewhere, signed out by an admin. Null for a live session, an unknown token, and an '
    'end that no record explains.';

create or replace function accounts.me()
returns table (id bigint, email text, name text, role text, must_change_password boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select u.id, u.email, u.name, u.role, u.must_change_password
    from accounts.users u where u.id = (audit.current_actor()).user_id
$$;
comment on function accounts.me() is 'Returns the user of this transaction; no row for system.';

create or replace function accounts.is_admin() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(audit.signed_role() = 'backstitch_admin', false)
$$;
comment on function accounts.is_admin() is
    'Returns whether the user of this transaction is a signed-in admin.';

create or replace function accounts.require_admin() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if not accounts.is_admin() then
        raise exception 'only an admin may do this'
            using errcode = 'insufficient_privilege', constraint = 'admin_only', hint = 'Sign in as an admin.';
    end if;
end
$$;
comment on function accounts.require_admin() is 'Refuses everybody but a signed-in admin.';

create or replace function accounts.live_sessions(everybody boolean default false)
returns table (id bigint, user_id bigint, email text, name text, address inet, user_agent text,
               created_at timestamptz, last_seen_at timestamptz, ends_at timestamptz, is_this boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
begin
    if everybody then
        perform accounts.require_admin();
    end if;
    return query
    select s.id, u.id, u.email, u.name, s.address, s.user_agent, s.created_at, s.last_seen_at, s.ends_at,
           s.id = actor.session_id
    from runtime.sessions s join accounts.users u on u.id = s.user_id
    where s.revoked_at is null and s.ends_at > now() and u.is_active and (everybody or u.id = actor.user_id)
    order by s.id = actor.session_id desc, s.last_seen_at desc, s.id desc;
end
$$;
comment on function accounts.live_sessions(boolean) is
    'Returns the live sessions of the user of this transaction, or, to an admin, of everybody; the current one first.';

create or replace function accounts.sign_out() returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
begin
    update accounts.sessions s set revoked_at = now()
    where s.id = actor.session_id and s.revoked_at is null;
    perform audit.write_activity(actor, 'LOGOUT', 'User', actor.user_id, '{}');
end
$$;
comment on function accounts.sign_out() is 'Ends the session of this transaction and records LOGOUT.';

create or replace function accounts.end_sessions(session_id bigint default null, of_user bigint default null)
returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    ended bigint;
begin
    if (of_user is not null or session_id is null) and of_user is distinct from actor.user_id
        or exists (select from accounts.sessions s
                   where s.id = end_sessions.session_id and s.user_id is distinct from actor.user_id)
    then
        perform accounts.require_admin();
    end if;
    update accounts.sessions s set revoked_at = now()
    where s.revoked_at is null and (s.id = end_sessions.session_id or s.user_id = of_user);
    get diagnostics ended = row_count;
    if ended > 0 then
        perform audit.write_activity(actor, 'LOGOUT', 'User', coalesce(
            of_user, (select s.user_id from accounts.sessions s where s.id = end_sessions.session_id)), '{}');
    end if;
    return ended;
end
$$;
comment on function accounts.end_sessions(bigint, bigint) is
    'Ends one session, or all sessions of a user: one''s own, or, as an admin, anybody''s. Returns how many it ended.';

create or replace function accounts.my_activity(most integer default 50)
returns table (id bigint, recorded_at timestamptz, action text, operation text, by_user text, address inet,
               user_agent text, details jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select r.id, r.recorded_at, r.action::text, r.operation, u.name, coalesce(s.address, r.client_address),
           s.user_agent,
           -- The fields that an admin changed, without their values.
           case when r.action = 'UPDATE'
                then jsonb_build_object('fields', array(select jsonb_object_keys(r.new_values)))
                else r.new_values - 'username' end
    from audit.records r
    left join accounts.users u on u.id = r.user_id
    left join accounts.sessions s on s.id = r.session_id and s.user_id = r.entity_id
    where r.entity = 'User' and r.entity_id = (audit.current_actor()).user_id
    order by r.recorded_at desc, r.id desc limit most
$$;
comment on function accounts.my_activity(integer) is
    'Returns the records about the account of the user of this transaction, newest first: sign-ins, failures, changes.';

-- Passwords ------------------------------------------------------------------------------------

create or replace function accounts.change_password(old_proof text, new_hash text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    signed_role constant text := current_setting('backstitch.role');
    person accounts.users;
    count_key constant bytea := accounts.counter_key('password', actor.user_id::text);
    attempts runtime.sign_in_attempts;
begin
    select * into person from accounts.users u where u.id = actor.user_id for no key update;
    select * into attempts from runtime.sign_in_attempts a where a.key = count_key and a.forget_at > now();
    if attempts.locked_until > now() then
        raise exception 'too many wrong passwords of user %', person.id
            using errcode = 'invalid_password', constraint = 'password_attempts', hint = 'Try again in some minutes.';
    end if;
    if not accounts.password_matches(person, old_proof) then
        insert into runtime.sign_in_attempts as a (key, failures, forget_at)
        values (count_key, 1, now() + interval '1 day')
        on conflict (key) do update set
            failures = coalesce(attempts.failures, 0) + 1, forget_at = now() + interval '1 day',
            locked_until = now() + accounts.lock_time(attempts.failures + 1, 5);
        perform audit.write_activity(actor, 'LOGIN_FAILED', 'User', person.id,
                                     jsonb_build_object('cause', 'wrong password for a change'));
        return false;
    end if;

    delete from runtime.sign_in_attempts a where a.key = count_key;
    -- Only admins may write users, so the function writes as definer.
    perform audit.sign_actor(actor.user_id, actor.session_id, 'definer', actor.source, actor.operation, actor.reason,
                             actor.request);
    update accounts.users u set password_hash = new_hash, must_change_password = false where u.id = person.id;
    update accounts.sessions s set revoked_at = now()
    where s.user_id = person.id and s.id <> actor.session_id and s.revoked_at is null;
    perform audit.write_activity(actor, 'PASSWORD_CHANGE', 'User', person.id, '{}');
    perform audit.sign_actor(actor.user_id, actor.session_id, signed_role, actor.source, actor.operation,
                             actor.reason, actor.request);
    return true;
end
$$;
comment on function accounts.change_password(text, text) is
    'Replaces the password of the user of this transaction, who proves the old one, and ends their other sessions. '
    'Returns false, and counts a failure, for a wrong old password.';

create or replace function accounts.counter_keys(user_id bigint) returns setof bytea
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select accounts.counter_key('user', lower(u.email)) from accounts.users u where u.id = counter_keys.user_id
    union all select accounts.counter_key('password', counter_keys.user_id::text)
    union all select accounts.counter_key('browser', encode(s.token_hash, 'hex'))
    from accounts.sessions s where s.user_id = counter_keys.user_id
$$;
comment on function accounts.counter_keys(bigint) is
    'Returns the keys of the counters of a user: of the name, of password changes and of each browser.';

create or replace function accounts.locked_users()
returns table (user_id bigint, locked_until timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.require_admin();
    return query
    select u.id, max(a.locked_until)
    from accounts.users u
    join runtime.sign_in_attempts a on a.locked_until > now() and a.key in (select accounts.counter_keys(u.id))
    group by u.id;
end
$$;
comment on function accounts.locked_users() is
    'Returns the users who are locked out now, from some browser at least, and until when. For admins.';

create or replace function accounts.unlock(user_id bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    was_locked boolean;
begin
    perform accounts.require_admin();
    with forgotten as (
        delete from runtime.sign_in_attempts a where a.key in (select accounts.counter_keys(unlock.user_id))
        returning a.locked_until)
    select coalesce(bool_or(f.locked_until > now()), false) into was_locked from forgotten f;
    perform audit.write_activity(audit.current_actor(), 'MAINTENANCE', 'User', unlock.user_id,
                                 jsonb_build_object('unlocked', was_locked));
    return was_locked;
end
$$;
comment on function accounts.unlock(bigint) is
    'Deletes the counters of a user, so that the next sign-in is checked, and records MAINTENANCE. Returns whether the '
    'user was locked out. For admins.';

-- Triggers of accounts.users -------------------------------------------------------------------

create or replace function accounts.end_sessions_of_changed_users() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- The definer functions of this file end sessions themselves. The trigger audit_update has checked the signature.
    if current_setting('backstitch.role', true) = 'definer' then
        return null;
    end if;
    update accounts.sessions s set revoked_at = now()
    from new_rows n join old_rows o on o.id = n.id
    where s.user_id = n.id and s.revoked_at is null
        and (n.role <> o.role or not n.is_active and o.is_active or n.password_hash is distinct from o.password_hash);
    perform audit.write_activity(audit.current_actor(), 'PASSWORD_CHANGE', 'User', n.id, '{}')
    from new_rows n join old_rows o on o.id = n.id
    where n.password_hash <> o.password_hash or n.password_hash is not null and o.password_hash is null;
    return null;
end
$$;
comment on function accounts.end_sessions_of_changed_users() is
    'Ends every session of a user whose role or password changes or who is deactivated, and records PASSWORD_CHANGE '
    'for a new password.';

create or replace function accounts.keep_an_admin() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    removed boolean;
begin
    if tg_op = 'DELETE' then
        removed := exists (select from old_rows o where o.role = 'admin' and o.is_active);
    else
        removed := exists (select from old_rows o join new_rows n on n.id = o.id
                           where o.role = 'admin' and o.is_active and not (n.role = 'admin' and n.is_active));
    end if;
    if removed then
        -- Locked: of two admins who remove each other at the same time, the second waits and then sees the first
        -- change; above READ COMMITTED it gets a serialization failure instead.
        perform from accounts.users u where u.role = 'admin' and u.is_active order by u.id limit 1 for share;
        if not found then
            raise exception '% of accounts.users is refused: no active admin would be left', tg_op
                using errcode = 'check_violation', constraint = 'last_admin',
                      hint = 'Make another user an admin first.';
        end if;
    end if;
    return null;
end
$$;
comment on function accounts.keep_an_admin() is
    'Refuses a statement that deletes, demotes or deactivates the last active admin.';

create or replace trigger end_sessions after update on accounts.users
    referencing old table as old_rows new table as new_rows
    for each statement execute function accounts.end_sessions_of_changed_users();
create or replace trigger keep_an_admin_on_delete after delete on accounts.users
    referencing old table as old_rows
    for each statement execute function accounts.keep_an_admin();
create or replace trigger keep_an_admin_on_update after update on accounts.users
    referencing old table as old_rows new table as new_rows
    for each statement execute function accounts.keep_an_admin();
alter table accounts.users enable always trigger end_sessions, enable always trigger keep_an_admin_on_delete,
    enable always trigger keep_an_admin_on_update;
