-- Backstitch: the seals of the audit trail.
--
-- Purpose. The seals show when somebody writes to audit.records past the triggers (its owner, a superuser, somebody
-- with access to the disk). Committed records are sealed in blocks: a seal keeps the SHA-256 of each record, and its
-- own hash covers those and the hash of the previous seal. audit.verify_seals() names each record that was altered,
-- removed or added since, and each seal that was altered.
--
-- Blocks. A block holds all committed records of a half-open range of transaction numbers. The range ends before the
-- oldest transaction that still runs, so nothing can commit into a sealed range, and the next range begins there. A
-- call that finds nothing new writes nothing.
--
-- Eras. Transaction numbers belong to a server. After pg_dump and restore into another server they start again at a
-- lower number, so a new era begins: first a block of the old era with the records that were not sealed yet, then a
-- block of the new era with all records that no seal lists. Later ranges use the new numbers and leave out the records
-- that seals of earlier eras list.
--
-- Deletion. audit.delete_records(before, reason) seals, compares the records to delete with their seals, deletes them,
-- keeps their ids and digests in audit.deletions and records AUDIT_DELETE with the digest of that list. Verification
-- accepts that exactly those records are missing.
--
-- Locks. Sealing reads the new records and takes no lock that a writer waits for. Sealers and deletions take turns by
-- an advisory lock.
--
-- Limits.
--   * Whoever can write seals can seal again from some point on, or cut off the end of the chain, and leave a
--     consistent chain. A head (number and hash of the last seal) that is kept outside of the database shows that;
--     every export and `python -m backstitch verify` print one.
--   * A record that is altered before it is sealed (a second or so after its commit) is sealed as altered. A record
--     that is added before a restore into another server is sealed there, unless a verification comes first.
--   * An open transaction holds up the seals, and so does a session that holds the advisory lock.
--
-- Plans. The planner assumes about ten elements in an array, and would search blocks of 50,000 elements once per
-- record. So functions that join listed records with stored ones disable nested loops, and functions that read new
-- records disable sequential scans.
--
-- No literal has a backslash, because its meaning in an SQL function depends on standard_conforming_strings.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.
-- Order: digests, sealing, deletion, verification.

-- Digests --------------------------------------------------------------------------------------

create or replace function audit.record_digest(r audit.records) returns bytea
language sql stable parallel safe
as $$
    -- array_send writes each element with its length, and null apart from empty. The elements are binary forms that do
    -- not depend on settings of the session (times in microseconds, text in UTF-8, jsonb in its canonical text).
    select sha256(array_send(array[
        int8send(r.id), timestamptz_send(r.recorded_at), int8send(r.transaction_id), int8send(r.entity_id),
        int8send(r.parent_id), int8send(r.user_id), int8send(r.session_id), int2send(r.era), convert_to(r.action, 'UTF8'),
        convert_to(r.entity, 'UTF8'), convert_to(r.source, 'UTF8'), convert_to(r.database_role, 'UTF8'), convert_to(r.application, 'UTF8'),
        inet_send(r.client_address), convert_to(r.operation, 'UTF8'), convert_to(r.reason, 'UTF8'),
        convert_to(r.request, 'UTF8'), convert_to(r.old_values::text, 'UTF8'), convert_to(r.new_values::text, 'UTF8')]))
$$;
comment on function audit.record_digest(audit.records) is
    'Returns the SHA-256 over the values of all columns of a record (format 1). A new column of audit.records needs a '
    'format 2, and verification then has to use the format of each seal.';

create or replace function audit.seal_hash(s audit.seals) returns bytea
language sql stable parallel safe
as $$
    select sha256(s.previous
        || int8send(s.id) || int4send(s.era) || int2send(s.format)
        || int8send(s.from_transaction) || int8send(s.to_transaction)
        || timestamptz_send(s.sealed_at) || int8send(coalesce(s.system_identifier, 0)) || int4send(s.record_count)
        || array_send(s.record_ids) || array_send(s.digests))
$$;
comment on function audit.seal_hash(audit.seals) is
    'Returns the SHA-256 over the previous hash, a header of fixed length, the ids and the digests (format 1).';

create or replace function audit.chunk_digest(record_ids bigint[], digests bytea[]) returns bytea
language sql stable parallel safe
as $$
    select sha256(array_send(record_ids) || array_send(digests))
$$;
comment on function audit.chunk_digest(bigint[], bytea[]) is
    'Returns the SHA-256 of one chunk of the list of a deletion.';

-- Sealing --------------------------------------------------------------------------------------

create or replace function audit.system_identifier() returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return (select system_identifier from pg_control_system());
exception when insufficient_privilege then
    return null; -- some hosts deny it; then only the lower transaction numbers show a restore
end
$$;
comment on function audit.system_identifier() is
    'Returns the system identifier of this server; null where the host denies it.';

create or replace function audit.seal_range(
    of_era integer, range_start bigint, range_end bigint, even_if_empty boolean default false
) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_nestloop = off set jit = off
as $$
declare
    block audit.seals;
    chunk record;
    sealed bigint := 0;
begin
    select s.id, s.hash into block.id, block.hash from audit.seals s order by s.id desc limit 1;
    block.id := coalesce(block.id, 0);
    block.hash := coalesce(block.hash, decode(repeat('00', 32), 'hex'));
    block.era := of_era;
    block.format := 1;
    block.from_transaction := range_start;
    block.to_transaction := range_end;
    block.system_identifier := audit.system_identifier();

    for chunk in
        with fresh as materialized (
            select r.id, audit.record_digest(r) as digest
            from audit.records r
            where r.transaction_id >= range_start and r.transaction_id < range_end
                and not exists (
                    select from audit.seals s cross join unnest(s.record_ids) listed
                    where s.era < of_era
                        and int8range(s.from_transaction, s.to_transaction) && int8range(range_start, range_end)
                        and listed = r.id))
        select array_agg(id order by id) as ids, array_agg(digest order by id) as digests
        from (select *, (row_number() over (order by id) - 1) / 50000 as part from fresh) parts
        group by part
        union all
        select '{}', '{}' where even_if_empty and not exists (select from fresh)
        order by 1
    loop
        block.id := block.id + 1;
        block.previous := block.hash;
        block.sealed_at := clock_timestamp();
        block.record_ids := chunk.ids;
        block.digests := chunk.digests;
        block.record_count := cardinality(chunk.ids);
        block.hash := audit.seal_hash(block);
        insert into audit.seals select block.*;
        sealed := sealed + block.record_count;
    end loop;
    return sealed;
end
$$;
comment on function audit.seal_range(integer, bigint, bigint, boolean) is
    'Seals the committed records of a range of transactions in blocks of 50,000. Returns how many. The caller ensures '
    'that no transaction of the range still runs and that the range follows the last seal.';

create or replace function audit.seal_committed() returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    last audit.seals;
    horizon bigint;
    leftovers_end bigint;
begin
    -- An older snapshot would not see the seals that other sessions have made since.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'sealing is refused under isolation level %', current_setting('transaction_isolation')
            using errcode = 'feature_not_supported', constraint = 'seal_read_committed',
                  hint = 'Use READ COMMITTED.';
    end if;
    select s.id, s.era, s.to_transaction, s.system_identifier
    into last.id, last.era, last.to_transaction, last.system_identifier
    from audit.seals s order by s.id desc limit 1;
    -- All transactions with lower numbers have ended. This transaction is not among them, even if it has a number.
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint into horizon;

    if last.id is null then
        return audit.seal_range(1, 0, horizon);
    elsif horizon < last.to_transaction or last.system_identifier <> audit.system_identifier() then
        select max(r.transaction_id) + 1 into leftovers_end
        from audit.records r where r.transaction_id >= last.to_transaction;
        -- The first block of an era marks its beginning, so it is written even if it is empty.
        return case when leftovers_end is null then 0
                    else audit.seal_range(last.era, last.to_transaction, leftovers_end) end
            + audit.seal_range(last.era + 1, 0, horizon, even_if_empty => true);
    elsif horizon > last.to_transaction then
        return audit.seal_range(last.era, last.to_transaction, horizon);
    end if;
    return 0;
end
$$;
comment on function audit.seal_committed() is
    'Seals what was committed since the last seal. Returns how many records. The caller holds audit.sealing_lock().';

create or replace function audit.sealing_lock() returns bigint
language sql immutable parallel safe
as $$
    select 7161124861523943985
$$;
comment on function audit.sealing_lock() is
    'Returns the key of the advisory lock by which sealers and deletions take turns.';

create or replace function audit.seal() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_try_advisory_xact_lock(audit.sealing_lock()) then
        return 0;
    end if;
    return audit.seal_committed();
end
$$;
comment on function audit.seal() is
    'Seals what was committed since the last seal. Returns how many records; 0 while another session seals. Needs no '
    'user, because it can only seal what the trail holds.';

create or replace function audit.chain_head()
returns table (seal_id bigint, hash text, sealed_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform audit.require_execute('audit.chain_head()');
    return query select s.id, encode(s.hash, 'hex'), s.sealed_at from audit.seals s order by s.id desc limit 1;
end
$$;
comment on function audit.chain_head() is
    'Returns the last seal; no row if there is none. Kept outside of the database, it shows later whether everything '
    'up to it is unaltered.';

-- Deletion -------------------------------------------------------------------------------------

create or replace function audit.require_deletion_allowed(actor audit.actor, before timestamptz, reason text)
returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if not (pg_has_role(session_user, 'backstitch_owner', 'usage')
            or actor.user_id is not null and current_setting('backstitch.role') = 'backstitch_admin') then
        raise exception 'audit.delete_records is refused: not an admin'
            using errcode = 'insufficient_privilege', constraint = 'audit_deletion_by_admin';
    elsif coalesce(reason, '') !~ '[^[:space:]]' then
        raise exception 'audit.delete_records is refused: no reason'
            using errcode = 'check_violation', constraint = 'audit_deletion_reason',
                  hint = 'Say why the records may go; it stays on the record.';
    elsif before is null then
        raise exception 'audit.delete_records is refused: no end of the time'
            using errcode = 'null_value_not_allowed', constraint = 'audit_deletion_before';
    end if;
end
$$;
comment on function audit.require_deletion_allowed(audit.actor, timestamptz, text) is
    'Refuses a deletion of records by anybody but an admin or the owner, or without a reason or an end of the time.';

create or replace function audit.list_for_deletion(
    deletion bigint, since timestamptz, before timestamptz, entities text[]
) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_nestloop = off set jit = off
as $$
declare
    differing bigint;
begin
    with chosen as materialized (
        select r.id, r.transaction_id, audit.record_digest(r) as digest
        from audit.records r
        where r.recorded_at >= since and r.recorded_at < before
            and (entities is null or r.entity = any (entities))
            and r.action <> 'AUDIT_DELETE'),
    listed as (
        select l.id, l.digest
        from audit.seals s cross join lateral unnest(s.record_ids, s.digests) l (id, digest)
        where int8range(s.from_transaction, s.to_transaction)
            && (select int8range(min(c.transaction_id), max(c.transaction_id), '[]') from chosen c)),
    compared as materialized (
        select c.id, c.digest, c.digest = l.digest as as_sealed, c.transaction_id
        from chosen c left join listed l using (id)),
    chunks as (
        insert into audit.deletions (deletion_id, chunk, record_ids, digests)
        select deletion, part, array_agg(id order by id), array_agg(digest order by id)
        from (select *, (row_number() over (order by id) - 1) / 50000 as part from compared where as_sealed) parts
        group by part)
    select min(c.id) into differing from compared c
    where not c.as_sealed
        or c.as_sealed is null
            and c.transaction_id < (select s.to_transaction from audit.seals s order by s.id desc limit 1);
    if differing is not null then
        raise exception 'audit.delete_records is refused: record % is not as it was sealed', differing
            using errcode = 'data_corrupted', constraint = 'audit_deletion_as_sealed',
                  hint = 'Run `python -m backstitch verify`; a deletion must not cover up an alteration.';
    end if;
end
$$;
comment on function audit.list_for_deletion(bigint, timestamptz, timestamptz, text[]) is
    'Writes the sealed records of a time, of some entities or all, into audit.deletions. Refuses if one of the records '
    'is not as it was sealed.';

create or replace function audit.keep_baselines(deletion bigint) returns void
language sql volatile set search_path = pg_catalog, pg_temp set enable_nestloop = off set work_mem = '64MB'
as $$
    with affected as materialized (
        select r.entity, r.entity_id, max(r.id) as last_id
        from audit.deletions d cross join unnest(d.record_ids) listed (id)
        join audit.records r on r.id = listed.id
        where d.deletion_id = deletion and r.action in ('CREATE', 'UPDATE', 'DELETE', 'TRUNCATE')
        group by 1, 2),
    states as (
        select a.entity, a.entity_id, a.last_id,
               audit.replay_of(s.id, s.action, s.old_values, s.new_values order by s.id) as replay
        from affected a
        join audit.replay_steps s on s.entity = a.entity and s.entity_id = a.entity_id and s.id <= a.last_id
        group by 1, 2, 3)
    insert into audit.baselines as b (entity, entity_id, record_id, row_values)
    select entity, entity_id, last_id,
           case when (replay).broken_at is null then (replay).row_values
                else (audit.replay_row(entity, entity_id, last_id, '{}')).row_values end
    from states
$$;
comment on function audit.keep_baselines(bigint) is
    'Writes a baseline for each row whose records a deletion is about to delete: the row as the last of them leaves '
    'it.';

create or replace function audit.unreferenced_personal_values() returns setof bigint
language sql stable set search_path = pg_catalog, pg_temp set enable_nestloop = off set jit = off
as $$
    select p.id from audit.personal_values p
    where not exists (
        select
        from (select r.entity, r.old_values from audit.records r
              union all select r.entity, r.new_values from audit.records r
              union all select b.entity, b.row_values from audit.baselines b) kept (entity, recorded)
        cross join lateral jsonb_each(case when jsonb_typeof(kept.recorded) = 'object' then kept.recorded end) f
        where kept.entity in (select k.entity from audit.personal_values k)
            and jsonb_typeof(f.value) = 'object' and f.value ->> 'personal' = p.id::text)
$$;
comment on function audit.unreferenced_personal_values() is
    'Returns the ids of the personal values to which no record and no baseline refers.';

create or replace function audit.delete_unreferenced_personal_values() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_nestloop = off
as $$
declare
    -- Values that a running transaction refers to again (audit.personal_reference has locked them) are skipped.
    locked constant bigint[] := array(
        select p.id from audit.personal_values p where p.id in (select audit.unreferenced_personal_values())
        for update of p skip locked);
begin
    -- Checked again, because a transaction that has committed since can have recorded them.
    delete from audit.personal_values p
    where p.id = any (locked) and p.id in (select audit.unreferenced_personal_values());
end
$$;
comment on function audit.delete_unreferenced_personal_values() is
    'Deletes the personal values to which no record and no baseline refers any more. Needs READ COMMITTED.';

create or replace function audit.delete_records(
    before timestamptz, reason text, since timestamptz default '-infinity', entities text[] default null
) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off
as $$
declare
    actor audit.actor := audit.current_actor();
    deletion bigint;
    listed record;
    deleted record;
begin
    perform audit.require_deletion_allowed(actor, before, reason);
    -- One deletion or sealing at a time. Records are sealed before they are deleted.
    perform pg_advisory_xact_lock(audit.sealing_lock());
    perform audit.seal_committed();

    select coalesce(max(d.deletion_id), 0) + 1 into deletion from audit.deletions d;
    perform audit.list_for_deletion(deletion, since, before, entities);
    select coalesce(sum(cardinality(d.record_ids)), 0) as records,
           encode(sha256(coalesce(string_agg(audit.chunk_digest(d.record_ids, d.digests), '' order by d.chunk), '')),
                  'hex') as digest
    into listed from audit.deletions d where d.deletion_id = deletion;

    perform audit.keep_baselines(deletion);
    with removed as (
        delete from audit.records r
        using audit.deletions d cross join unnest(d.record_ids) l (id)
        where d.deletion_id = deletion and r.id = l.id and r.recorded_at >= since and r.recorded_at < before
        returning r.id, r.recorded_at)
    select count(*) as records, min(r.id) as first_id, max(r.id) as last_id,
           min(r.recorded_at) as oldest, max(r.recorded_at) as newest
    into deleted from removed r;
    if deleted.records <> listed.records then
        raise exception 'audit.delete_records: % records went instead of %', deleted.records, listed.records
            using errcode = 'data_corrupted', constraint = 'audit_deletion_as_sealed';
    end if;

    perform audit.delete_unreferenced_personal_values();
    actor.reason := reason;
    actor.operation := coalesce(actor.operation, 'delete audit records');
    perform audit.write_activity(actor, 'AUDIT_DELETE', 'AuditReport', null, jsonb_build_object(
        'deletion', deletion, 'records', deleted.records, 'digest', listed.digest,
        'baselines', audit.prune_baselines(), 'first_id', deleted.first_id, 'last_id', deleted.last_id,
        'oldest', deleted.oldest at time zone 'UTC', 'newest', deleted.newest at time zone 'UTC',
        'since', nullif(since, '-infinity') at time zone 'UTC', 'before', before at time zone 'UTC',
        'entities', to_jsonb(entities)));
    return deleted.records;
end
$$;
comment on function audit.delete_records(timestamptz, text, timestamptz, text[]) is
    'Deletes the sealed records with since <= recorded_at < before, of some entities or of all, and records '
    'AUDIT_DELETE (its times are UTC). Returns how many records it deleted. Records that cannot be sealed yet, and '
    'AUDIT_DELETE records, stay. For an admin or the owner, with a reason.';

-- Verification ---------------------------------------------------------------------------------

create or replace function audit.deletion_lists()
returns table (deletion_id bigint, record_id bigint, is_genuine boolean)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(l.deletion_id, r.deletion_id), r.id,
           coalesce(l.digest = r.digest and l.records = r.records, false)
    from (select d.deletion_id, sum(cardinality(d.record_ids))::text as records,
                 encode(sha256(string_agg(audit.chunk_digest(d.record_ids, d.digests), '' order by d.chunk)), 'hex')
                     as digest
          from audit.deletions d group by 1) l
    full join (select a.id, a.new_values ->> 'records' as records, a.new_values ->> 'digest' as digest,
                      case when a.new_values ->> 'deletion' ~ '^[0-9]{1,18}$'
                           then (a.new_values ->> 'deletion')::bigint end as deletion_id
               from audit.records a
               where a.action = 'AUDIT_DELETE' and a.new_values ->> 'records' <> '0') r
        on r.deletion_id = l.deletion_id
$$;
comment on function audit.deletion_lists() is
    'Returns a row per list in audit.deletions and per AUDIT_DELETE record, joined by the number of the deletion, and '
    'whether both are there and agree.';

create or replace function audit.chain_findings(first_seal bigint)
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable set search_path = pg_catalog, pg_temp set jit = off
as $$
    with links as (
        select s.id, s.era, s.from_transaction, s.to_transaction, s.previous, s.hash, s.sealed_at,
               audit.seal_hash(s) as true_hash,
               lag(s.id, 1, 0::bigint) over chain as before_id,
               lag(s.hash, 1, decode(repeat('00', 32), 'hex')) over chain as before_hash,
               lag(s.era) over chain as before_era,
               lag(s.from_transaction) over chain as before_from,
               lag(s.to_transaction) over chain as before_to
        from audit.seals s
        where s.id >= first_seal - 1
        window chain as (order by s.id))
    select 'missing_seal', l.before_id + 1, null::bigint,
           format('%s of the chain missing before seal %s', l.id - l.before_id - 1, l.id)
    from links l where l.id > l.before_id + 1 and l.id >= first_seal
    union all
    select 'altered_seal', l.id, null, 'its content does not have its hash'
    from links l where l.hash <> l.true_hash and l.id >= first_seal
    union all
    select 'broken_link', l.id, null, 'it does not follow the hash of the seal before'
    from links l where l.previous <> l.before_hash and l.id = l.before_id + 1 and l.id >= first_seal
    union all
    select 'broken_link', l.id, null, 'its transactions do not follow those of the seal before'
    from links l
    where l.id = l.before_id + 1 and l.id >= first_seal
        and case when l.before_era is null then (l.era, l.from_transaction) <> (1, 0)
                 when l.era = l.before_era then l.from_transaction <> l.before_to
                     and (l.from_transaction, l.to_transaction) <> (l.before_from, l.before_to)
                 else (l.era, l.from_transaction) <> (l.before_era + 1, 0) end
$$;
comment on function audit.chain_findings(bigint) is
    'Returns the missing and altered seals and the broken links of the chain, from a seal on. Reads no record.';

create or replace function audit.uncovered_ranges() returns setof int8range
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with links as (
        select s.id, s.from_transaction, lag(s.id, 1, 0::bigint) over chain as previous_id,
               -- Where the range should begin: at the end of the previous one, or at 0 in a new era.
               case when lag(s.era, 1, 1) over chain = s.era then lag(s.to_transaction, 1, 0::bigint) over chain
                    else 0 end as expected_from
        from (select id, era, from_transaction, to_transaction from audit.seals) s
        window chain as (order by s.id))
    select int8range(l.expected_from, l.from_transaction)
    from links l
    where l.id > l.previous_id + 1 and l.from_transaction > l.expected_from
$$;
comment on function audit.uncovered_ranges() is
    'Returns the ranges of transactions that no seal covers because seals are missing from the chain.';

create or replace function audit.record_findings(first_seal bigint, lowest_transaction bigint)
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable
set search_path = pg_catalog, pg_temp set enable_nestloop = off set jit = off set work_mem = '64MB'
as $$
    with present as (
        select r.id, r.recorded_at, r.transaction_id, r.action, r.entity, r.entity_id,
               audit.record_digest(r) as digest
        from audit.records r where r.transaction_id >= lowest_transaction),
    listed as (
        select s.id as seal_id, l.id, l.digest
        from audit.seals s cross join lateral unnest(s.record_ids, s.digests) l (id, digest)
        where s.id >= first_seal),
    differing as materialized (
        select p.id as present_id, l.id as listed_id, l.seal_id, l.digest, p.recorded_at, p.transaction_id,
               format('%s %s%s, recorded %s UTC', p.action, p.entity, ' ' || p.entity_id,
                      to_char(p.recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) as detail
        from present p full join listed l on l.id = p.id
        where p.digest is distinct from l.digest),
    twins as (
        select r.id from audit.records r
        where r.id in (select d.present_id from differing d where d.listed_id is not null)
        group by r.id having count(*) > 1),
    gaps as (select audit.uncovered_ranges() as range),
    earlier as (
        select e.id from audit.seals s cross join unnest(s.record_ids) e (id)
        where s.id < first_seal
            and int8range(s.from_transaction, s.to_transaction) && int8range(lowest_transaction, null)),
    state as (
        select pg_snapshot_xmin(now_running)::text::bigint as horizon,
               greatest(pg_snapshot_xmax(now_running)::text::bigint,
                        pg_current_xact_id_if_assigned()::text::bigint + 1) as next_transaction,
               (select s.to_transaction from audit.seals s order by s.id desc limit 1) as sealed_to,
               (select s.system_identifier from audit.seals s order by s.id desc limit 1) as sealed_on
        from pg_current_snapshot() now_running),
    unlisted as (
        select d.*, case
            when exists (select from gaps g where g.range @> d.transaction_id) then 'uncovered_record'
            -- Restored into another server and not sealed since: the transaction numbers do not compare yet.
            when s.horizon < s.sealed_to or s.sealed_on <> audit.system_identifier() then null
            when d.transaction_id < s.sealed_to or d.transaction_id >= s.next_transaction then 'added_record'
            when d.transaction_id < s.horizon and d.recorded_at < statement_timestamp() - interval '1 hour'
                then 'unsealed_record' end as finding
        from differing d cross join state s
        where d.listed_id is null and not exists (select from earlier e where e.id = d.present_id))
    select case when d.present_id in (select t.id from twins t) then 'added_record' else 'altered_record' end,
           d.seal_id, d.present_id, d.detail
    from differing d where d.present_id is not null and d.listed_id is not null
    union all
    select 'missing_record', d.seal_id, d.listed_id, null
    from differing d
    where d.present_id is null
        and not exists (
            select from audit.deletions x cross join lateral unnest(x.record_ids, x.digests) deleted (id, digest)
            where deleted.id = d.listed_id and deleted.digest = d.digest
                and x.deletion_id in (select l.deletion_id from audit.deletion_lists() l where l.is_genuine))
    union all
    select u.finding, null, u.present_id, u.detail from unlisted u where u.finding is not null
$$;
comment on function audit.record_findings(bigint, bigint) is
    'Returns the records that differ from the seals, from a seal and its first transaction on: altered, added, missing '
    'and not deleted on the record, or unsealed for more than an hour.';

create or replace function audit.shape_findings(lowest_transaction bigint)
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable set search_path = pg_catalog, pg_temp set jit = off
as $$
    -- The truth table: which of old_values and new_values an action fills; activities have their details in new_values.
    -- It is checked here and not by a CHECK of the table, which PostgreSQL would read again for every statement: that
    -- took a fifth of the time of a single-row change. Only functions of db/ write records.
    select 'misshapen_record', null::bigint, r.id, format('%s with%s old and with%s new values', r.action,
           case when r.old_values is null then 'out' else '' end, case when r.new_values is null then 'out' else '' end)
    from audit.records r
    where r.transaction_id >= lowest_transaction
        and ((r.old_values is not null) <> (r.action in ('UPDATE', 'DELETE', 'TRUNCATE'))
             or (r.new_values is not null) <> (r.action not in ('DELETE', 'TRUNCATE')))
$$;
comment on function audit.shape_findings(bigint) is
    'Returns the records whose old_values and new_values do not fit their action.';

create or replace function audit.head_findings(heads text[])
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- A head is text: number, space, hash. VERIFY records hold heads too; no user of the application can write those.
    with given as (
        select null::bigint as record_id, head from unnest(heads) head
        union all
        select r.id, r.new_values ->> 'chain_head' from audit.records r where r.action = 'VERIFY'),
    parsed as (
        select g.record_id, split_part(g.head, ' ', 1)::bigint as seal_id, split_part(g.head, ' ', 2) as hash
        from given g where g.head ~ '^[0-9]{1,18} [0-9a-f]{64}$')
    select case when s.id is not null then 'other_seal' else 'cut_chain' end, p.seal_id, p.record_id,
           case when p.record_id is not null then format('head kept on record %s', p.record_id)
                else 'head kept outside' end
    from parsed p left join audit.seals s on s.id = p.seal_id
    where s.id is null or encode(s.hash, 'hex') <> p.hash
$$;
comment on function audit.head_findings(text[]) is
    'Returns the heads that are not in the chain: it was cut off before that seal, or sealed again.';

create or replace function audit.verify_seals(since timestamptz default '-infinity', heads text[] default '{}')
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    first_seal bigint := 1;
    lowest_transaction bigint := 0;
begin
    perform audit.require_execute('audit.verify_seals(timestamptz, text[])');
    if since > '-infinity' then
        select s.id, s.from_transaction into first_seal, lowest_transaction
        from audit.seals s
        where s.sealed_at >= since and s.era = (select max(e.era) from audit.seals e)
            -- Transaction numbers compare within an era only.
            and not exists (select from audit.seals o where o.sealed_at >= since and o.era < s.era)
        order by s.id limit 1;
        if first_seal is null then
            select coalesce(max(s.id) filter (where s.sealed_at < since and s.era = last.era), 1),
                   coalesce(max(s.from_transaction) filter (where s.sealed_at < since and s.era = last.era), 0)
            into first_seal, lowest_transaction
            from audit.seals s cross join (select max(e.era) as era from audit.seals e) last
            where not exists (select from audit.seals o where o.sealed_at >= since and o.era < last.era);
        end if;
    end if;
    return query
        select * from audit.chain_findings(first_seal)
        union all
        select * from audit.record_findings(first_seal, lowest_transaction)
        union all
        select * from audit.shape_findings(lowest_transaction)
        union all
        select 'altered_deletion', null, l.record_id,
               format('the list of deletion %s does not fit its record', l.deletion_id)
        from audit.deletion_lists() l where not l.is_genuine
        union all
        select 'altered_deletion', null, l.id, 'the baselines of replay do not fit the record of the last deletion'
        from (values (null)) one_row
        left join (select r.id, r.new_values ->> 'baselines' as digest
                   from audit.records r where r.action = 'AUDIT_DELETE' order by r.id desc limit 1) l on true
        where audit.baselines_digest() is distinct from coalesce(l.digest, encode(sha256(''), 'hex'))
        union all
        select * from audit.head_findings(heads)
        order by 2, 3, 1;
end
$$;
comment on function audit.verify_seals(timestamptz, text[]) is
    'Recomputes every digest and hash, or those of the seals made since a time, and returns a row for each record, '
    'seal and deletion that is not as it was sealed. heads: "number hash" of seals, as kept outside of the database. A '
    'record that is not sealed yet is a finding only when it could have been sealed for an hour.';

create or replace function audit.sealing_state()
returns table (seal_id bigint, hash text, sealed_at timestamptz, era integer, sealed bigint, deleted bigint,
               unsealed bigint, unsealed_since timestamptz)
language sql stable set search_path = pg_catalog, pg_temp set enable_nestloop = off
as $$
    with last as (select s.* from audit.seals s order by s.id desc limit 1),
    waiting as (
        select r.id, r.recorded_at from audit.records r
        where r.transaction_id >= coalesce((select l.to_transaction from last l), 0)
            and not exists (
                select from audit.seals s cross join unnest(s.record_ids) listed
                where s.era < (select l.era from last l)
                    and s.to_transaction > (select l.to_transaction from last l) and listed = r.id))
    select l.id, encode(l.hash, 'hex'), l.sealed_at, l.era,
           (select coalesce(sum(s.record_count), 0)::bigint from audit.seals s),
           (select coalesce(sum(cardinality(d.record_ids)), 0)::bigint from audit.deletions d),
           w.records, w.since
    from (select count(*) as records, min(recorded_at) as since from waiting) w left join last l on true
$$;
comment on function audit.sealing_state() is
    'Returns one row: the head, how many records were ever sealed, how many were deleted by audit.delete_records, and '
    'how many are not sealed yet and since when.';

create or replace function audit.seal_status()
returns table (seal_id bigint, hash text, sealed_at timestamptz, era integer, sealed bigint, deleted bigint,
               unsealed bigint, unsealed_since timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform audit.require_execute('audit.seal_status()');
    return query select s.* from audit.sealing_state() s;
end
$$;
comment on function audit.seal_status() is 'Returns audit.sealing_state() to users who may verify the trail.';
