-- Backstitch: people, what they may read of the trail, and the rights of the roles. Signing in is db/sign_in.sql.
--
-- This file is re-runnable. It runs as backstitch_owner; a migration applies each change of it.

-- People ----------------------------------------------------------------------------------------

create or replace function accounts.demo_accounts()
returns table (email text, name text, role text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select u.email, u.name, u.role from accounts.users u
    where u.email like '%@demo.example' and u.is_active
    order by u.id
$$;
comment on function accounts.demo_accounts() is
    'The users of the demo data, whose password is public; nobody else has an address under demo.example.';

create or replace function accounts.mentions(words text, names text[]) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    -- As words of their own: Anu is not in “manual”.
    select exists (select from unnest(names) name
                   where words ~* ('(^|\W)' || regexp_replace(name, '(\W)', '\\\1', 'g') || '(\W|$)'))
$$;
comment on function accounts.mentions(text, text[]) is 'Whether a text has one of the names in it.';

create or replace function accounts.forget_user(user_id bigint, reason text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor audit.actor := audit.current_actor();
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
    -- Every address and name that the person has had here.
    known_as := array(
        select person.email union select person.name
        union select p.value #>> '{}' from audit.personal_values p
        where p.entity = 'User' and p.entity_id = person.id and p.field in ('email', 'name'));
    if coalesce(reason, '') !~ '\S'
        or accounts.mentions(concat_ws(' ', reason, actor.operation, actor.reason), known_as)
    then
        raise exception 'forgetting user % needs a reason that does not name the person', person.id
            using errcode = 'invalid_parameter_value', constraint = 'forget_with_reason',
                  hint = 'The reason stays on the record.';
    end if;

    -- The person as he stands; the trail keeps references to what was.
    update accounts.users u
    set email = pseudonym, name = new_name, password_hash = null, is_active = false, must_change_password = false
    where u.id = person.id;
    update accounts.sessions s
    set address = null, user_agent = null, revoked_at = coalesce(s.revoked_at, now())
    where s.user_id = person.id;

    -- What was, wherever a record refers to it: of the user, of his sessions, of failed sign-ins under his address.
    delete from audit.personal_values p
    where (p.entity = 'User' and p.entity_id = person.id
           and p.value #>> '{}' not in (pseudonym, new_name))
        or (p.entity = 'Session' and p.parent_id = person.id)
        or (p.entity = 'User' and p.field = 'username'
            and lower(btrim(p.value #>> '{}')) in (select lower(known) from unnest(known_as) known));
    get diagnostics erased = row_count;

    actor.reason := forget_user.reason;
    perform audit.write_activity(actor, 'MAINTENANCE', 'User', person.id,
                                 jsonb_build_object('forgotten', true, 'erased_values', erased));
    return (select count(*) from audit.records r
            where accounts.mentions(
                concat_ws(' ', r.operation, r.reason, r.application, r.old_values, r.new_values),
                array_remove(array_remove(known_as, pseudonym), new_name)));
end
$$;
comment on function accounts.forget_user(bigint, text) is
    'Replaces a person''s address and name by a pseudonym, ends the sessions and erases the values that the trail '
    'refers to. For admins, with a reason. No record changes. Returns how many records still mention the address or '
    'the name in free text (a reason, the search of an export), which nothing can erase.';

-- Reading the trail ----------------------------------------------------------------------------

create or replace function accounts.reads_trail() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The application's login can take any of the roles, even half-way through a statement, so for it the signed one
    -- counts. Any other login reads with the rights that PostgreSQL has checked.
    select session_user <> 'backstitch_app'
        or audit.signed_role() in ('backstitch_admin', 'backstitch_manager', 'backstitch_analyst')
$$;
comment on function accounts.reads_trail() is 'Whether the trail shows this reader anything.';

create or replace function accounts.reads_whole_trail() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case when session_user = 'backstitch_app'
                then audit.signed_role() in ('backstitch_admin', 'backstitch_analyst')
                else pg_has_role(current_user, 'backstitch_admin', 'usage')
                     or pg_has_role(current_user, 'backstitch_analyst', 'usage')
                     or pg_has_role(current_user, 'backstitch_owner', 'usage') end
$$;
comment on function accounts.reads_whole_trail() is
    'Admins, analysts and the owner see everything; a manager sees the inventory''s records and their own.';

drop view if exists public.audit_logs;
drop view if exists audit.trail;

create view audit.trail with (security_barrier) as
select r.id, r.recorded_at, r.transaction_id, r.user_id,
       coalesce(u.email, case when r.action in ('LOGIN_FAILED', 'LOGIN_LOCKED') then v.new_values ->> 'username' end, 'system')
           as username,
       u.name as user_name, r.action, r.entity, r.entity_id, r.parent_id, v.old_values, v.new_values,
       r.operation, r.reason, r.session_id, r.database_role, r.application,
       coalesce(s.address, r.client_address) as address, s.user_agent
from audit.records r
left join accounts.users u on u.id = r.user_id
left join accounts.sessions s on s.id = r.session_id
cross join lateral (
    select case when r.entity = any (p.entities) then audit.revealed(r.old_values) else r.old_values end,
           case when r.entity = any (p.entities) then audit.revealed(r.new_values) else r.new_values end
    from (select array(select w.entity from audit.watched_tables w where w.personal <> '{}')) p (entities)
) v (old_values, new_values)
where (select accounts.reads_whole_trail())
    or (select accounts.reads_trail())
        -- The tables of the business, the lists made of them that come in and go out, and what the reader did.
        and (r.entity = any ((select array(
                 select w.entity from audit.watched_tables w join pg_class c on c.oid = w.relation
                 where c.relnamespace = 'inventory'::regnamespace) || '{StockList,LowStockList}')::text[])
             or r.user_id = (select m.id from accounts.me() m));

comment on view audit.trail is 'The trail with names, one row per record, as far as the reader may see it.';

create view public.audit_logs as
select t.id, t.recorded_at as timestamp, t.user_id, t.username, t.action, t.entity, t.entity_id,
       f.field_changed, f.old_value, f.new_value
from audit.trail t
cross join lateral audit.field_changes(t.action, t.old_values, t.new_values) f;

comment on view public.audit_logs is
    'The trail, one row per changed field. Whole records stand in new_value (CREATE) and old_value (DELETE).';

-- Rights ---------------------------------------------------------------------------------------

revoke all on all functions in schema accounts from public;
revoke all on all functions in schema audit from public;

grant usage on schema accounts to
    backstitch_app, backstitch_admin, backstitch_manager, backstitch_analyst, backstitch_viewer;
grant execute on function accounts.demo_accounts() to backstitch_app;

grant execute on function accounts.forget_user(bigint, text) to backstitch_admin;

grant select (id, email, name, role, is_active, must_change_password) on accounts.users
    to backstitch_admin, backstitch_manager, backstitch_analyst;
grant insert (email, name, role, password_hash, is_active, must_change_password),
      update (email, name, role, password_hash, is_active, must_change_password)
    on accounts.users to backstitch_admin;
-- The application's login can take these roles without a session; then it sees nobody.
alter table accounts.users enable row level security;
drop policy if exists for_signed_in on accounts.users;
create policy for_signed_in on accounts.users to backstitch_admin, backstitch_manager, backstitch_analyst
    using ((select audit.signed_role()) in ('backstitch_admin', 'backstitch_manager', 'backstitch_analyst'));
drop policy if exists for_other_logins on accounts.users;
create policy for_other_logins on accounts.users using (session_user <> 'backstitch_app');

grant usage on schema audit to backstitch_admin, backstitch_manager, backstitch_analyst;
grant select on audit.trail, public.audit_logs
    to backstitch_admin, backstitch_manager, backstitch_analyst;
grant execute on function accounts.reads_trail(), accounts.reads_whole_trail(), audit.signed_role(),
                          audit.field_changes(text, jsonb, jsonb), audit.revealed(jsonb, jsonb),
                          audit.record_activity(text, text, bigint, jsonb)
    to backstitch_admin, backstitch_manager, backstitch_analyst;
