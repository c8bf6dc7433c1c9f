-- Backstitch: values about a person, apart from the sealed records.
--
-- A record holds {"personal": id, "sha256": commitment} in place of such a value; audit.personal_values holds the value
-- and its salt. Erasing a value leaves every record and every seal as it was.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

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
as $$
    select case when jsonb_typeof(recorded) = 'object' and recorded ? 'sha256'
                     and recorded ->> 'personal' ~ '^[0-9]{1,18}$'
                then (recorded ->> 'personal')::bigint end
$$;
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
