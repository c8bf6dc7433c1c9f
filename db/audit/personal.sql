-- Backstitch: personal values (values about a person), kept apart from the sealed records so that they can be erased.
--
-- Contract. A record holds the reference {"personal": id, "sha256": commitment} in place of a personal value.
-- audit.personal_values holds the value and its salt; the commitment is the SHA-256 of both. Erasing a value changes no
-- record and no seal, and without the salt nobody can guess the value from its commitment.
--
-- Locks. A reference to a value that is there already holds KEY SHARE on its row until commit.
--
-- Limits. The details of an activity are free jsonb and can look like a reference; a reference counts only with its
-- commitment.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.commitment(salt bytea, value jsonb) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(salt || convert_to(value::text, 'UTF8')), 'hex')
$$;
comment on function audit.commitment(bytea, jsonb) is
    'Returns the salted SHA-256 of a personal value, in hex; records keep it in place of the value.';

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
    'Stores a personal value with a new salt. Returns its reference, for the record; null for a null value.';

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
    -- The same value of the same field keeps its reference, so that the old value in a record equals the new value in
    -- the record before.
    select jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value)) into reference
    from audit.personal_values p
    where p.entity = personal_reference.entity and p.entity_id = personal_reference.entity_id
        and p.field = personal_reference.field and p.value::text = personal_reference.value::text
    order by p.id desc limit 1
    -- Locked until this record commits: otherwise audit.delete_records could delete the value together with the last
    -- earlier record that refers to it.
    for key share;
    return coalesce(reference, audit.keep_personal(entity, entity_id, parent_id, field, value));
end
$$;
comment on function audit.personal_reference(text, bigint, bigint, text, jsonb) is
    'Returns the reference of a personal value of a row: the one it has, or a new one. Called by the generated trigger '
    'functions.';

create or replace function audit.personal_value_id(recorded jsonb) returns bigint
language sql immutable parallel safe
as $$
    select case when jsonb_typeof(recorded) = 'object' and recorded ? 'sha256'
                     and recorded ->> 'personal' ~ '^[0-9]{1,18}$'
                then (recorded ->> 'personal')::bigint end
$$;
comment on function audit.personal_value_id(jsonb) is
    'Returns audit.personal_values.id of a reference; null for a recorded value that is no reference.';

create or replace function audit.revealed(recorded jsonb, erased jsonb default '"forgotten"') returns jsonb
language sql stable strict security definer set search_path = pg_catalog, pg_temp
as $$
    -- Details of an activity can look like a reference, so a value is revealed only where its commitment matches.
    select coalesce(jsonb_object_agg(
        f.key,
        case when r.id is null then f.value
             when p.id is null then erased
             when audit.commitment(p.salt, p.value) = f.value ->> 'sha256' then p.value
             else '"altered"' end), '{}')
    from jsonb_each(recorded) f
    cross join lateral (select audit.personal_value_id(f.value)) r (id)
    left join audit.personal_values p on p.id = r.id
$$;
comment on function audit.revealed(jsonb, jsonb) is
    'Returns recorded values with each reference replaced by its personal value: by `erased` (default `forgotten`) '
    'where the value was erased, by `altered` where it does not match the commitment of the record.';
