-- Backstitch: reading the trail. Who sees which records, and the two views.
--
-- Contract. audit.trail has one row per record, public.audit_logs one row per changed field. Admins, analysts and the
-- owner see every record; managers see those of the inventory and of what they did themselves; viewers see none.
-- Personal values are shown in place of their references.
--
-- Locks. None that a writer waits for.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function accounts.reads_trail() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- The application's login can set any role of users, even half-way through a statement, so for it the signed role
    -- counts. For any other login the rights that PostgreSQL has checked are enough.
    select session_user <> 'backstitch_app'
        or audit.signed_role() in ('backstitch_admin', 'backstitch_manager', 'backstitch_analyst')
$$;
comment on function accounts.reads_trail() is
    'Returns whether this reader may see records of the trail, if only some.';

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
    'Returns whether this reader may see every record: an admin, an analyst or the owner.';

create or replace view audit.trail with (security_barrier) as
select r.id, r.recorded_at, r.transaction_id, r.user_id,
       coalesce(u.email,
                case when r.action in ('LOGIN_FAILED', 'LOGIN_LOCKED') then v.new_values ->> 'username' end,
                'system') as username,
       u.name as user_name, r.action, r.entity, r.entity_id, r.parent_id, v.old_values, v.new_values,
       r.operation, r.reason, r.source::text as source, r.request, r.era, r.session_id, r.database_role, r.application,
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
        -- Managers: tables of the inventory, imports and exports of stock lists, and what the reader did.
        and (r.entity = any ((select array(
                 select w.entity from audit.watched_tables w join pg_class c on c.oid = w.relation
                 where c.relnamespace = 'inventory'::regnamespace) || '{StockList,LowStockList}')::text[])
             or r.user_id = (select m.id from accounts.me() m));

comment on view audit.trail is
    'One row per record that the reader may see, with the names of users and the personal values.';

create or replace view public.audit_logs as
select t.id, t.recorded_at as timestamp, t.user_id, t.username, t.action, t.entity, t.entity_id,
       f.field_changed, f.old_value, f.new_value
from audit.trail t
cross join lateral (
    select null::text, t.old_values::text, t.new_values::text where t.action <> 'UPDATE'
    union all
    select key, t.old_values ->> key, t.new_values ->> key
    from jsonb_object_keys(case when t.action = 'UPDATE' then t.old_values end) key
) f (field_changed, old_value, new_value);

comment on view public.audit_logs is
    'The trail, one row per changed field of an UPDATE. Any other record is one row with no field_changed: the whole '
    'row in new_value (CREATE) or old_value (DELETE, TRUNCATE), or the details of an activity in new_value.';
