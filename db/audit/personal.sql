-- Backstitch: personal values (values about a person), kept apart from the sealed records so that they can be erased.
--
-- Contract. A record holds the reference {"personal": id, "sha256": commitment} in place of a personal value.
-- audit.personal_values holds the value and its salt; the commitment is the SHA-256 of both. Erasing a value changes no
-- record and no seal, and without the salt (122 random bits) nobody can guess the value from its commitment. An empty
-- string and null are no personal values and stand in the record themselves.
--
-- Forgetting a row has the same parts for every table (accounts.forget_user, inventory.forget_customer, .forget_agency):
-- its values as audit.values_to_forget returns them, an update of the row, the deletion of its personal values, and
-- audit.record_forgotten.
--
-- Locks. A reference to a value that is there already holds KEY SHARE on its row until commit.
--
-- Limits.
--   * The details of an activity are free jsonb and can look like a reference; a reference counts only with its
--     commitment.
--   * A value in free text (a reason, an operation, the store of a sale) is part of a sealed record and stays.
--     audit.record_forgotten counts the records that have one.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.

create or replace function audit.commitment(salt bytea, value jsonb) returns text
language sql immutable strict parallel safe
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
    select entity, entity_id, parent_id, field, value, uuid_send(gen_random_uuid())
    where value is not null
    returning jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value))
$$;
comment on function audit.keep_personal(text, bigint, bigint, text, jsonb) is
    'Stores a personal value with a new salt. Returns its reference, for the record; null for a null value.';

-- Called for each personal value of each changed row, so it has no search_path of its own, which would take a third of
-- its time; its callers have one. The insert is that of audit.keep_personal, for the same reason.
create or replace function audit.personal_reference(
    entity text, entity_id bigint, parent_id bigint, field text, value jsonb
) returns jsonb
language plpgsql volatile
as $$
#variable_conflict use_column
declare
    reference jsonb;
begin
    -- Nothing is said about a person by a field that is empty.
    if value is null or value = '""' then
        return value;
    end if;
    -- The same value of the same field keeps its reference, so that the old value in a record equals the new value in
    -- the record before. An inserted row can have earlier values too: an undo inserts a deleted row with its id.
    select jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value)) into reference
    from audit.personal_values p
    where p.entity = personal_reference.entity and p.entity_id = personal_reference.entity_id
        and p.field = personal_reference.field and p.value::text = personal_reference.value::text
    order by p.id desc limit 1
    -- Locked until this record commits: otherwise audit.delete_records could delete the value together with the last
    -- earlier record that refers to it.
    for key share;
    if reference is null then
        insert into audit.personal_values as p (entity, entity_id, parent_id, field, value, salt)
        values (personal_reference.entity, personal_reference.entity_id, personal_reference.parent_id,
                personal_reference.field, personal_reference.value, uuid_send(gen_random_uuid()))
        returning jsonb_build_object('personal', p.id, 'sha256', audit.commitment(p.salt, p.value)) into reference;
    end if;
    return reference;
end
$$;
comment on function audit.personal_reference(text, bigint, bigint, text, jsonb) is
    'Returns the reference of a personal value of a row: the one it has, or a new one; null and the empty string as '
    'they are. Called by the generated trigger functions.';

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

create or replace function audit.values_kept(recorded jsonb) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(bool_and(p.id is not null and audit.commitment(p.salt, p.value) = f.value ->> 'sha256'), true)
    from jsonb_each(recorded) f
    cross join lateral (select audit.personal_value_id(f.value)) r (id)
    left join audit.personal_values p on p.id = r.id
    where r.id is not null
$$;
comment on function audit.values_kept(jsonb) is
    'Returns whether every personal value to which recorded values refer is kept and matches its commitment.';

-- Forgetting ------------------------------------------------------------------------------------

create or replace function audit.mention_pattern(words text[]) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    -- Whole words only: “manual” does not mention Anu.
    -- E'': so the pattern is the same whatever standard_conforming_strings says.
    select E'(^|\\W)(' || string_agg(regexp_replace(word, E'(\\W)', E'\\\\\\1', 'g'), '|') || E')(\\W|$)'
    from unnest(words) word where word ~ E'\\S'
$$;
comment on function audit.mention_pattern(text[]) is
    'Returns a regular expression (for ~*) that finds any of the texts as whole words; null without a text.';

create or replace function audit.require_reason_to_forget(
    actor audit.actor, entity text, entity_id bigint, reason text, known_as text[]
) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(reason, '') !~ E'\\S'
        or concat_ws(' ', reason, actor.operation, actor.reason) ~* audit.mention_pattern(known_as)
    then
        raise exception 'forgetting % % needs a reason that has none of the values to forget', entity, entity_id
            using errcode = 'invalid_parameter_value', constraint = 'forget_with_reason',
                  hint = 'The reason stays on the record.';
    end if;
end
$$;
comment on function audit.require_reason_to_forget(audit.actor, text, bigint, text, text[]) is
    'Refuses to forget a row without a reason, or with one that has a value that is to be forgotten.';

create or replace function audit.values_to_forget(entity text, entity_id bigint, pseudonym text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select array(select distinct p.value #>> '{}' from audit.personal_values p
                 where p.entity = values_to_forget.entity and p.entity_id = values_to_forget.entity_id
                     and p.value #>> '{}' <> pseudonym)
$$;
comment on function audit.values_to_forget(text, bigint, text) is
    'Returns every personal value that a row has or had, apart from erased ones and the pseudonym.';

create or replace function audit.erase_personal_values(entity text, entity_id bigint, pseudonyms text[]) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    erased bigint;
begin
    delete from audit.personal_values p
    where p.entity = erase_personal_values.entity and p.entity_id = erase_personal_values.entity_id
        and p.value #>> '{}' <> all (pseudonyms);
    get diagnostics erased = row_count;
    return erased;
end
$$;
comment on function audit.erase_personal_values(text, bigint, text[]) is
    'Erases the personal values of a row, apart from its pseudonyms. Returns how many it erased.';

create or replace function audit.record_forgotten(
    actor audit.actor, entity text, entity_id bigint, reason text, erased bigint, known_as text[]
) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    -- In the text of jsonb a quotation mark has a backslash before it. A short number (a pincode) is not looked for,
    -- because ids and quantities look the same.
    pattern constant text := audit.mention_pattern(array(
        select w.word from unnest(known_as) name
        cross join lateral (select name union select substr(j, 2, length(j) - 2) from (select to_jsonb(name)::text) q (j)
        ) w (word)
        where name !~ '^[0-9]{1,9}$'));
begin
    actor.reason := record_forgotten.reason;
    perform audit.write_activity(actor, 'FORGET', entity, entity_id, jsonb_build_object('erased_values', erased));
    return (select count(*) from audit.records r
            where concat_ws(' ', r.operation, r.reason, r.application, r.old_values, r.new_values) ~* pattern);
end
$$;
comment on function audit.record_forgotten(audit.actor, text, bigint, text, bigint, text[]) is
    'Records FORGET: a row was forgotten, with how many values were erased and why. Returns how many records '
    'still mention one of the values in free text, which nothing can erase.';
