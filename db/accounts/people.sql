-- Backstitch: users as people. Who sees them, and how a person is forgotten. For sign-in see sign_in.sql.
--
-- Contract. accounts.forget_user replaces the name and the address of a person and erases their personal values; no
-- record of the trail changes. Row level security hides accounts.users from the application's login, except while
-- an admin, a manager or an analyst has signed in.
--
-- Locks. Forgetting holds the row of the user, as a sign-in does.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function accounts.demo_accounts()
returns table (email text, name text, role text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select u.email, u.name, u.role from accounts.users u
    where u.email like '%@demo.example' and u.is_active
    order by u.id
$$;
comment on function accounts.demo_accounts() is
    'Returns the active users of the demo data, whose password is public. Only they have addresses under demo.example.';

create or replace function accounts.names_of(person accounts.users) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(
        select person.email union select person.name
        union select p.value #>> '{}' from audit.personal_values p
        where p.entity = 'User' and p.entity_id = person.id and p.field in ('email', 'name'))
$$;
comment on function accounts.names_of(accounts.users) is
    'Returns every address and every name that a person has ever had in accounts.users, erased ones apart.';

create or replace function accounts.erase_sessions_and_attempts(user_id bigint, names text[]) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    erased bigint;
begin
    delete from audit.personal_values p
    where p.entity = 'Session' and p.parent_id = user_id
        or p.entity = 'User' and p.field = 'username'
            and lower(btrim(p.value #>> '{}')) in (select lower(name) from unnest(names) name);
    get diagnostics erased = row_count;
    return erased;
end
$$;
comment on function accounts.erase_sessions_and_attempts(bigint, text[]) is
    'Erases the personal values of the sessions of a user, and of failed sign-ins under one of the names. Returns how '
    'many it erased.';

create or replace function accounts.forget_user(user_id bigint, reason text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant audit.actor := audit.current_actor();
    person accounts.users;
    known_as text[];
    pseudonym constant text := format('forgotten-%s@forgotten.example', user_id);
    new_name constant text := format('Forgotten user %s', user_id);
    erased bigint;
begin
    perform audit.require_execute('accounts.forget_user(bigint, text)');
    select * into person from accounts.users u where u.id = forget_user.user_id for no key update;
    if person.id is null or person.id = actor.user_id then
        raise exception 'user % cannot be forgotten', forget_user.user_id
            using errcode = 'invalid_parameter_value', constraint = 'forget_another_user',
                  hint = 'Another admin can forget an admin.';
    end if;
    known_as := accounts.names_of(person);
    perform audit.require_reason_to_forget(actor, 'User', person.id, reason, known_as);

    -- The user and their sessions as they stand. The records of these updates hold references to the old values.
    update accounts.users u
    set email = pseudonym, name = new_name, password_hash = null, is_active = false, must_change_password = false
    where u.id = person.id;
    update accounts.sessions s
    set address = null, user_agent = null, revoked_at = coalesce(s.revoked_at, now())
    where s.user_id = person.id;

    erased := accounts.erase_sessions_and_attempts(person.id, known_as)
              + audit.erase_personal_values('User', person.id, array[pseudonym, new_name]);
    return audit.record_forgotten(
        actor, 'User', person.id, reason, erased, array_remove(array_remove(known_as, pseudonym), new_name));
end
$$;
comment on function accounts.forget_user(bigint, text) is
    'Replaces the address and the name of a person by a pseudonym, ends their sessions and erases the personal values '
    'to which the trail refers. No record changes. Returns how many records still mention an address or a name in free '
    'text (a reason, the search of an export), which nothing can erase. For admins, with a reason.';

-- Who sees users --------------------------------------------------------------------------------

-- The application's login can set these roles without a session. Then it sees no user.
alter table accounts.users enable row level security;
drop policy if exists for_signed_in on accounts.users;
create policy for_signed_in on accounts.users to backstitch_admin, backstitch_manager, backstitch_analyst
    using ((select audit.signed_role()) in ('backstitch_admin', 'backstitch_manager', 'backstitch_analyst'));
drop policy if exists for_other_logins on accounts.users;
create policy for_other_logins on accounts.users using (session_user <> 'backstitch_app');
