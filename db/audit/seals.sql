-- Backstitch: the seals of the audit trail.
--
-- Purpose. The seals show when somebody writes to audit.records past the triggers (its owner, a superuser, somebody
-- with access to the disk). Committed records are sealed in blocks: a seal keeps a leaf, 32 bytes, of each record and
-- the root of the tree over the leaves, and its own hash covers that root and the hash of the previous seal.
-- audit.verify_seals() names each record that was altered, removed or added since, and each seal that was altered.
--
-- Form. docs/proof.md has it byte by byte, with test vectors. Leaves and trees are those of RFC 6962. A leaf is
-- blinded: with the digest of its record it hashes an HMAC of the record's id, whose key is the salt of the block. So a
-- leaf that is given away as part of a proof gives away nothing of its record, and no salt is stored per record. The
-- hashes of the blocks are the leaves of a tree of their own, whose root is the checkpoint.
--
-- Rounds. A round seals what was committed since the round before. Its seals keep the snapshot: to_transaction (its
-- xmax) and the transactions below that were still running. A record belongs to the first round whose snapshot sees its
-- transaction as ended. So nothing can commit behind a seal, and an open transaction holds up its own records only. A
-- round makes a block per 4,096 records of a month; a round that finds nothing writes nothing.
--
-- Eras. Transaction numbers belong to a server. A trail that was restored, into another server or database or anew into
-- the same one, is away from home (audit.is_at_home), and nothing is sealed there before a new era has begun. A start of
-- Backstitch, a migration or `python -m backstitch restore` begins it after a verification without findings;
-- `python -m backstitch begin-era` begins it with the findings on the record (backstitch/audit/eras.py). Then
-- audit.begin_era seals what the old era had not sealed, gives the new one an origin of its own for its checkpoints, and
-- records RESTORE: what was found, what was lost, from which backup.
--
-- Deletion. audit.delete_records(before, reason) seals, compares the records to delete with their seals, deletes them,
-- keeps their ids and digests in audit.deletions and records AUDIT_DELETE with the digest of that list. Verification
-- accepts that exactly those records are missing.
--
-- Locks. Sealing reads the new records and takes no lock that a writer waits for. Sealers and deletions take turns by
-- an advisory lock. Only the beginning of an era locks audit.records, to change a default.
--
-- Limits.
--   * Whoever can write seals can seal again from some point on, or cut off the end of the chain, and leave a
--     consistent chain. A checkpoint that is kept outside of the database shows that; every export and
--     `python -m backstitch verify` print one.
--   * A record that is altered before it is sealed (a second or so after its commit) is sealed as altered. So is one
--     that is added with a number that no seal has seen, if it comes before the next seal.
--   * What is written after a restore, before the new era has begun, has the era of the old server. With a number that
--     the old server had used it is found as added; with a number above it is sealed as if the old server had written
--     it. So is a record that was planted in a dump before it was restored, if its number is above all that the old
--     server had sealed and its time is as late. What a seal of the old server contradicts stays a finding in every era.
--   * A dump that was taken long ago is a consistent chain that ends early. A checkpoint kept elsewhere shows what is
--     lost since.
--   * Whoever can call audit.begin_era, the owner or a superuser, can skip the verification; no era covers up what a
--     later verification finds.
--   * A session that holds the advisory lock holds up the seals.
--
-- Plans. The planner assumes about ten elements in an array, and would search blocks of thousands of elements once per
-- record. So functions that join listed records with stored ones disable nested loops, and functions that read new
-- records disable sequential scans.
--
-- No literal has a backslash, because its meaning in an SQL function depends on standard_conforming_strings.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.
-- Order: hashes, the tree over the blocks, eras, sealing, deletion, verification.

-- Hashes ---------------------------------------------------------------------------------------

create or replace function audit.record_digest(r audit.records) returns bytea
language sql stable parallel safe
as $$
    -- array_send writes each element with its length, and null apart from empty. The elements are binary forms that do
    -- not depend on settings of the session (times in microseconds, text in UTF-8, jsonb in its canonical text).
    select sha256(array_send(array[
        int8send(r.id), timestamptz_send(r.recorded_at), int8send(r.transaction_id), int8send(r.entity_id),
        int8send(r.parent_id), int8send(r.user_id), int8send(r.session_id), int2send(r.era),
        convert_to(r.action, 'UTF8'), convert_to(r.entity, 'UTF8'), convert_to(r.source, 'UTF8'),
        convert_to(r.database_role, 'UTF8'), convert_to(r.application, 'UTF8'), inet_send(r.client_address),
        convert_to(r.operation, 'UTF8'), convert_to(r.reason, 'UTF8'), convert_to(r.request, 'UTF8'),
        convert_to(r.old_values::text, 'UTF8'), convert_to(r.new_values::text, 'UTF8')]))
$$;
comment on function audit.record_digest(audit.records) is
    'Returns the SHA-256 over the values of all columns of a record. This form is final (docs/proof.md).';

create or replace function audit.hmac_pad(salt bytea, filler text) returns bytea
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    -- bytea has no XOR, bit strings have; the binary form of one begins with its length in four bytes.
    select substr(bit_send(('x' || encode(salt, 'hex'))::bit(256) # ('x' || repeat(filler, 32))::bit(256)), 5)
        || decode(repeat(filler, 32), 'hex')
$$;
comment on function audit.hmac_pad(bytea, text) is
    'Returns a 32-byte key, padded to a block of 64 bytes and XORed with a filler (36 for the inner, 5c for the outer '
    'hash of HMAC-SHA-256, RFC 2104).';

create or replace function audit.blinding(record_id bigint, inner_pad bytea, outer_pad bytea) returns bytea
language sql immutable parallel safe
as $$
    select sha256(outer_pad || sha256(inner_pad || int8send(record_id)))
$$;
comment on function audit.blinding(bigint, bytea, bytea) is
    'Returns the blinding of a record: the HMAC-SHA-256 of its id, with the pads of the salt of its block.';

create or replace function audit.leaf(blinding bytea, digest bytea) returns bytea
language sql immutable parallel safe
as $$
    select sha256(decode('00', 'hex') || blinding || digest)
$$;
comment on function audit.leaf(bytea, bytea) is
    'Returns the leaf of a record: the SHA-256 of a zero byte, its blinding and its digest.';

create or replace function audit.merkle_root(leaves bytea) returns bytea
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    level bytea := leaves;
    width integer := octet_length(leaves) / 32;
begin
    -- Pairs from the left; one that is left over moves up as it is. That is the shape of the trees of RFC 6962.
    while width > 1 loop
        level := (select string_agg(
                      case when i + 1 < width then sha256(decode('01', 'hex') || substr(level, 32 * i + 1, 64))
                           else substr(level, 32 * i + 1, 32) end, '' order by i)
                  from generate_series(0, width - 1, 2) i);
        width := (width + 1) / 2;
    end loop;
    return level;
end
$$;
comment on function audit.merkle_root(bytea) is
    'Returns the root of the tree of RFC 6962 over at least one leaf hash of 32 bytes.';

create or replace function audit.int8_bytes(numbers bigint[]) returns bytea
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(int8send(n.number), '' order by n.place), '')
    from unnest(numbers) with ordinality n (number, place)
$$;
comment on function audit.int8_bytes(bigint[]) is 'Returns numbers as eight bytes each, in their order.';

create or replace function audit.seal_header(s audit.seals, e audit.eras) returns bytea
language sql stable parallel safe
as $$
    select convert_to('Backstitch block 1' || chr(10), 'UTF8') || int8send(s.id) || int2send(s.era)
        || int4send(octet_length(convert_to(coalesce(e.origin, ''), 'UTF8')))
        || convert_to(coalesce(e.origin, ''), 'UTF8')
        || int8send(coalesce(e.system_identifier, 0)) || int8send(coalesce(e.database_oid, 0))
        || timestamptz_send(coalesce(e.began_at, '-infinity')) || date_send(s.month) || timestamptz_send(s.sealed_at)
        || int8send(s.to_transaction) || int4send(cardinality(s.running)) || audit.int8_bytes(s.running)
        || int4send(s.record_count) || sha256(audit.int8_bytes(s.record_ids))
        || s.root || sha256(s.salt) || s.previous
$$;
comment on function audit.seal_header(audit.seals, audit.eras) is
    'Returns the header of a block, with that of its era: what its hash covers (docs/proof.md).';

create or replace function audit.seal_hash(s audit.seals, e audit.eras) returns bytea
language sql stable parallel safe
as $$
    select sha256(decode('00', 'hex') || audit.seal_header(s, e))
$$;
comment on function audit.seal_hash(audit.seals, audit.eras) is
    'Returns the hash of a block of an era: the hash of its header as a leaf of RFC 6962.';

-- The tree over the blocks ---------------------------------------------------------------------

create or replace function audit.levels(seal_id bigint) returns integer
language sql immutable
as $$
    select 63 - position('1' in ((seal_id & -seal_id)::bit(63))::text)
$$;
comment on function audit.levels(bigint) is
    'Returns how many inner nodes a block completes: 0 for odd ones, otherwise the number of zero bits that its number '
    'ends with.';

create or replace function audit.node(s audit.seals, level integer) returns bytea
language sql stable parallel safe
as $$
    select case level when 0 then s.hash else substr(s.nodes, 32 * (level - 1) + 1, 32) end
$$;
comment on function audit.node(audit.seals, integer) is
    'Returns the node over the last 2 to the power of level blocks up to this one, as its seal keeps it.';

create or replace function audit.completed_nodes(seal_id bigint, hash bytea) returns bytea
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    node bytea := hash;
    nodes bytea := '';
begin
    for level in 1..audit.levels(seal_id) loop
        node := sha256(decode('01', 'hex')
                       || (select audit.node(s, level - 1) from audit.seals s
                           where s.id = seal_id - (1::bigint << (level - 1)))
                       || node);
        nodes := nodes || node;
    end loop;
    return nodes;
end
$$;
comment on function audit.completed_nodes(bigint, bytea) is
    'Returns the inner nodes that a block completes, from its hash and the nodes that earlier seals keep.';

create or replace function audit.tree_root(size bigint) returns bytea
language plpgsql stable strict set search_path = pg_catalog, pg_temp
as $$
declare
    rest bigint := size;
    level integer;
    peak bytea;
    root bytea;
begin
    while rest > 0 loop
        level := audit.levels(rest);
        peak := (select audit.node(s, level) from audit.seals s where s.id = rest);
        root := case when rest = size then peak else sha256(decode('01', 'hex') || peak || root) end;
        rest := rest & (rest - 1);
    end loop;
    return coalesce(root, case when size = 0 then sha256('') end);
end
$$;
comment on function audit.tree_root(bigint) is
    'Returns the root of the tree over the first blocks, from the nodes that their seals keep; null where a seal that '
    'it needs is missing.';

create or replace function audit.checkpoint_text(origin text, size bigint, root bytea) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
    select origin || chr(10) || size || chr(10) || encode(root, 'base64') || chr(10)
$$;
comment on function audit.checkpoint_text(text, bigint, bytea) is
    'Returns a checkpoint in the text form of C2SP tlog-checkpoint, without signatures: three lines.';

create or replace function audit.checkpoint()
returns table (checkpoint text, size bigint, root text, origin text, sealed_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform audit.require_execute('audit.checkpoint()');
    return query
        select audit.checkpoint_text(e.origin, s.id, audit.tree_root(s.id)), s.id,
               encode(audit.tree_root(s.id), 'base64'), e.origin, s.sealed_at
        from audit.seals s cross join (select p.origin from audit.eras p order by p.era desc limit 1) e
        order by s.id desc limit 1;
end
$$;
comment on function audit.checkpoint() is
    'Returns the checkpoint: the number of blocks, the root of the tree over them and the origin of the present era; '
    'no row before the first seal. Kept outside of the database, it shows later whether all up to it is unaltered.';

-- Eras -----------------------------------------------------------------------------------------

create or replace function audit.system_identifier() returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return (select system_identifier from pg_control_system());
exception when insufficient_privilege then
    return null; -- some hosts deny it; then only the database and lower transaction numbers show a restore
end
$$;
comment on function audit.system_identifier() is
    'Returns the system identifier of this server; null where the host denies it.';

create or replace function audit.database_oid() returns bigint
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select oid::bigint from pg_database where datname = current_database()
$$;
comment on function audit.database_oid() is 'Returns the oid of this database.';

create or replace function audit.is_at_home() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select e.database_oid = audit.database_oid()
        and coalesce(e.system_identifier = audit.system_identifier(), true)
        and coalesce(e.records_oid = 'audit.records'::regclass::oid::bigint, true)
        and last.to_transaction <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    from audit.eras e cross join lateral audit.last_round(e.era) last
    order by e.era desc limit 1
$$;
comment on function audit.is_at_home() is
    'Returns whether this is the server, the database and the table of the present era; null before the first one.';

create or replace function audit.new_origin(of_era smallint) returns text
language sql volatile set search_path = pg_catalog, pg_temp
as $$
    select format('backstitch/%s/%s-%s',
                  coalesce((select split_part(e.origin, '/', 2) from audit.eras e order by e.era limit 1),
                           replace(gen_random_uuid()::text, '-', '')),
                  of_era, left(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 16))
$$;
comment on function audit.new_origin(smallint) is
    'Returns an origin for an era: of this installation if it has one, otherwise of a new one.';

create or replace function audit.add_era() returns audit.eras
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    added audit.eras;
begin
    added.era := coalesce((select max(e.era) from audit.eras e), 0) + 1;
    added.origin := audit.new_origin(added.era);
    added.began_at := clock_timestamp();
    added.system_identifier := audit.system_identifier();
    added.database_oid := audit.database_oid();
    added.records_oid := 'audit.records'::regclass::oid::bigint;
    insert into audit.eras select added.*;
    return added;
end
$$;
comment on function audit.add_era() is 'Adds the era of this server and this database.';

create or replace function audit.begin_era(facts jsonb, reason text default null) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    actor audit.actor := audit.claimed_actor();
    era audit.eras;
begin
    if audit.is_at_home() is not false then
        return false;
    end if;
    perform pg_advisory_xact_lock(audit.sealing_lock());
    if audit.is_at_home() then
        return false; -- another session has begun it meanwhile
    end if;
    perform audit.seal_rest_of_era();
    era := audit.add_era();
    -- Only its own default counts: nothing writes into a partition by its name.
    execute format('alter table only audit.records alter column era set default %s', era.era);
    actor.source := 'system';
    actor.operation := 'begin an era';
    actor.reason := begin_era.reason;
    perform audit.write_activity(actor, 'RESTORE', 'AuditReport', null, facts || jsonb_build_object(
        'era', era.era, 'origin', era.origin, 'system_identifier', era.system_identifier::text,
        'database', era.database_oid,
        'checkpoint', (select audit.checkpoint_text(e.origin, s.id, audit.tree_root(s.id))
                       from audit.seals s join audit.eras e on e.era = s.era order by s.id desc limit 1)));
    return true;
end
$$;
comment on function audit.begin_era(jsonb, text) is
    'Begins an era if the trail was restored (audit.is_at_home): seals what the old era left, changes the default of '
    'audit.records.era and records RESTORE with these facts (backstitch/audit/eras.py). Returns whether it did. '
    'The caller has verified the trail.';

-- Sealing --------------------------------------------------------------------------------------

create or replace function audit.was_visible(transaction_id bigint, to_transaction bigint, running bigint[])
returns boolean
language sql immutable parallel safe
as $$
    select transaction_id < to_transaction and transaction_id <> all (running)
$$;
comment on function audit.was_visible(bigint, bigint, bigint[]) is
    'Returns whether a transaction had ended by a snapshot.';

create or replace function audit.last_round(of_era smallint)
returns table (to_transaction bigint, running bigint[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(l.to_transaction, 0), coalesce(l.running, '{}')
    from (values (of_era)) given (era)
    left join lateral (select s.to_transaction, s.running from audit.seals s
                       where s.era = given.era order by s.id desc limit 1) l on true
$$;
comment on function audit.last_round(smallint) is
    'Returns the snapshot of the last seal of an era; before the first seal, one that has seen nothing.';

create or replace function audit.seal_round(of_era smallint, snapshot_end bigint, still_running bigint[])
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_nestloop = off set jit = off
as $$
declare
    present audit.eras;
    block audit.seals;
    last_end bigint;
    last_running bigint[];
    chunk record;
    sealed bigint := 0;
begin
    select * into strict present from audit.eras e where e.era = of_era;
    select l.to_transaction, l.running into last_end, last_running from audit.last_round(of_era) l;
    select s.id, s.hash into block.id, block.hash from audit.seals s order by s.id desc limit 1;
    block.id := coalesce(block.id, 0);
    block.hash := coalesce(block.hash, decode(repeat('00', 32), 'hex'));
    block.era := of_era;
    block.to_transaction := snapshot_end;
    block.running := still_running;

    for chunk in
        with fresh as materialized (
            select r.id, date_trunc('month', r.recorded_at at time zone 'UTC')::date as month,
                   audit.record_digest(r) as digest
            from audit.records r
            where (r.transaction_id >= last_end or r.transaction_id = any (last_running)) and r.era = of_era
                and audit.was_visible(r.transaction_id, snapshot_end, still_running))
        select month, array_agg(id order by id) as ids, array_agg(digest order by id) as digests
        from (select *, (row_number() over (partition by month order by id) - 1) / 4096 as part from fresh) parts
        group by month, part
        order by month, part
    loop
        block.id := block.id + 1;
        block.previous := block.hash;
        block.month := chunk.month;
        block.sealed_at := clock_timestamp();
        block.record_ids := chunk.ids;
        block.record_count := cardinality(chunk.ids);
        -- Two random UUIDs: 244 random bits.
        block.salt := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
        block.leaves := audit.leaves(chunk.ids, chunk.digests, block.salt);
        block.root := audit.merkle_root(block.leaves);
        block.hash := audit.seal_hash(block, present);
        block.nodes := audit.completed_nodes(block.id, block.hash);
        insert into audit.seals select block.*;
        sealed := sealed + block.record_count;
    end loop;
    return sealed;
end
$$;
comment on function audit.seal_round(smallint, bigint, bigint[]) is
    'Seals the records of an era that a snapshot sees and the last seal''s does not, in blocks of up to 4,096 of a '
    'month. Returns how many. The caller holds audit.sealing_lock().';

create or replace function audit.leaves(record_ids bigint[], digests bytea[], salt bytea) returns bytea
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    inner_pad constant bytea := audit.hmac_pad(salt, '36');
    outer_pad constant bytea := audit.hmac_pad(salt, '5c');
begin
    return (select string_agg(audit.leaf(audit.blinding(l.id, inner_pad, outer_pad), l.digest), '' order by l.place)
            from unnest(record_ids, digests) with ordinality l (id, digest, place));
end
$$;
comment on function audit.leaves(bigint[], bytea[], bytea) is
    'Returns the leaves of records, 32 bytes each, blinded with a salt.';

create or replace function audit.seal_committed() returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    present constant smallint := (select max(e.era) from audit.eras e);
    seen constant pg_snapshot := pg_current_snapshot();
    own constant bigint := pg_current_xact_id_if_assigned()::text::bigint;
begin
    -- What this transaction has written is not committed. A snapshot does not list its own transaction as running.
    return audit.seal_round(
        present, pg_snapshot_xmax(seen)::text::bigint,
        array(select x::text::bigint from pg_snapshot_xip(seen) x
              union select own where own < pg_snapshot_xmax(seen)::text::bigint
              order by 1));
end
$$;
comment on function audit.seal_committed() is
    'Seals what was committed since the last seal. Returns how many records. The caller holds audit.sealing_lock().';

create or replace function audit.seal_rest_of_era() returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    present constant smallint := (select max(e.era) from audit.eras e);
    last_end constant bigint := (select l.to_transaction from audit.last_round(present) l);
begin
    -- A dump holds what was committed: none of its transactions still runs.
    return audit.seal_round(
        present,
        greatest(last_end, (select max(r.transaction_id) + 1 from audit.records r
                            where r.era = present and r.transaction_id >= last_end)),
        '{}');
end
$$;
comment on function audit.seal_rest_of_era() is
    'Seals what the present era has left unsealed, when another one is about to begin. Returns how many records.';

create or replace function audit.sealing_lock() returns bigint
language sql immutable parallel safe
as $$
    select 7161124861523943985
$$;
comment on function audit.sealing_lock() is
    'Returns the key of the advisory lock by which sealers and deletions take turns.';

create or replace function audit.prepare_to_seal() returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
    -- An older snapshot would not see the seals that other sessions have made since.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'sealing is refused under isolation level %', current_setting('transaction_isolation')
            using errcode = 'feature_not_supported', constraint = 'seal_read_committed',
                  hint = 'Use READ COMMITTED.';
    end if;
    if not exists (select from audit.eras) then
        perform audit.add_era();
    end if;
    return audit.is_at_home();
end
$$;
comment on function audit.prepare_to_seal() is
    'Begins the first era. Returns whether the trail is at home; nothing is sealed elsewhere. The caller holds '
    'audit.sealing_lock().';

create or replace function audit.seal() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_try_advisory_xact_lock(audit.sealing_lock()) then
        return 0;
    end if;
    return case when audit.prepare_to_seal() then audit.seal_committed() else 0 end;
end
$$;
comment on function audit.seal() is
    'Seals what was committed since the last seal. Returns how many records; 0 while another session seals, and for a '
    'restored trail before its era begins. Needs no user, because it can only seal what the trail holds.';

-- Deletion -------------------------------------------------------------------------------------

create or replace function audit.chunk_digest(record_ids bigint[], digests bytea[]) returns bytea
language sql stable parallel safe
as $$
    select sha256(array_send(record_ids) || array_send(digests))
$$;
comment on function audit.chunk_digest(bigint[], bytea[]) is
    'Returns the SHA-256 of one chunk of the list of a deletion.';

create or replace function audit.listed_leaves(first_seal bigint, first_month date)
returns table (seal_id bigint, record_id bigint, leaf bytea, blinding bytea)
language sql stable
as $$
    -- Without a detoasted copy (|| ''), each leaf would be read from the disk by itself.
    select s.id, l.id, substr(s.leaves, 32 * (l.place::integer - 1) + 1, 32),
           audit.blinding(l.id, s.inner_pad, s.outer_pad)
    from (select q.id, q.record_ids, q.leaves || '' as leaves,
                 audit.hmac_pad(q.salt, '36') as inner_pad, audit.hmac_pad(q.salt, '5c') as outer_pad
          from audit.seals q where q.id >= first_seal and q.month >= first_month offset 0) s
    cross join unnest(s.record_ids) with ordinality l (id, place)
    -- Or a join above would carry all leaves of the block with each of them: 80 kB a record, in temporary files.
    offset 0
$$;
comment on function audit.listed_leaves(bigint, date) is
    'Returns the leaf and the blinding of each record in the seals from a number and a month on.';

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
        select r.id, r.era, r.transaction_id, audit.record_digest(r) as digest
        from audit.records r
        where r.recorded_at >= since and r.recorded_at < before
            and (entities is null or r.entity = any (entities))
            and r.action <> 'AUDIT_DELETE'),
    compared as materialized (
        select c.id, c.era, c.transaction_id, c.digest, audit.leaf(l.blinding, c.digest) = l.leaf as as_sealed
        from chosen c
        left join audit.listed_leaves(1, date_trunc('month', since at time zone 'UTC')::date) l on l.record_id = c.id),
    chunks as (
        insert into audit.deletions (deletion_id, chunk, record_ids, digests)
        select deletion, part, array_agg(id order by id), array_agg(digest order by id)
        from (select *, (row_number() over (order by id) - 1) / 50000 as part from compared where as_sealed) parts
        group by part)
    select min(c.id) into differing
    from compared c cross join (select max(e.era) as era from audit.eras e) present
    cross join lateral audit.last_round(present.era) last
    where not c.as_sealed
        or c.as_sealed is null
            and (c.era <> present.era or audit.was_visible(c.transaction_id, last.to_transaction, last.running));
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
    if not audit.prepare_to_seal() then
        raise exception 'audit.delete_records is refused: the trail was restored, and its era has not begun'
            using errcode = 'object_not_in_prerequisite_state', constraint = 'era_begun',
                  hint = 'Run `python -m backstitch migrate` first.';
    end if;
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
language sql stable set search_path = pg_catalog, pg_temp set enable_nestloop = off set jit = off
as $$
    with links as materialized (
        select s.id, s.era, s.to_transaction, s.previous, s.hash,
               s.hash = audit.seal_hash(s, e) as has_its_hash, s.root = audit.merkle_root(s.leaves) as has_its_root,
               lag(s.id, 1, 0::bigint) over chain as before_id,
               lag(s.hash, 1, decode(repeat('00', 32), 'hex')) over chain as before_hash,
               lag(s.era) over chain as before_era,
               lag(s.to_transaction) over chain as before_to
        from audit.seals s left join audit.eras e on e.era = s.era
        where s.id >= first_seal - 1
        window chain as (order by s.id)),
    inner_nodes as (
        select s.id, level, audit.node(s, level) as node, audit.node(s, level - 1) as right_child,
               s.id - (1::bigint << (level - 1)) as left_id
        from audit.seals s cross join lateral generate_series(1, audit.levels(s.id)) level
        where s.id >= first_seal),
    wrong_nodes as (
        select i.id
        from inner_nodes i
        join audit.seals l on l.id = i.left_id
        -- Where a block below has another hash, that is the finding.
        where i.node is distinct from sha256(decode('01', 'hex') || audit.node(l, i.level - 1) || i.right_child)
            and not (i.level = 1
                     and (i.id in (select b.id from links b where not b.has_its_hash)
                          or i.left_id in (select b.id from links b where not b.has_its_hash)))
        union
        select s.id from audit.seals s
        where s.id >= first_seal and octet_length(s.nodes) <> 32 * audit.levels(s.id))
    select 'missing_seal', l.before_id + 1, null::bigint,
           format('%s of the chain missing before seal %s', l.id - l.before_id - 1, l.id)
    from links l where l.id > l.before_id + 1 and l.id >= first_seal
    union all
    select 'altered_seal', l.id, null,
           case when l.has_its_hash then 'its leaves do not have its root' else 'its content does not have its hash' end
    from links l where not (l.has_its_hash and l.has_its_root) and l.id >= first_seal
    union all
    select 'altered_seal', w.id, null, 'its nodes of the tree over the blocks do not follow from the blocks'
    from wrong_nodes w
    union all
    select 'broken_link', l.id, null, 'it does not follow the hash of the seal before'
    from links l where l.previous <> l.before_hash and l.id = l.before_id + 1 and l.id >= first_seal
    union all
    select 'broken_link', l.id, null, 'its snapshot does not follow that of the seal before'
    from links l
    where l.id = l.before_id + 1 and l.id >= first_seal
        and (l.era < l.before_era or l.era = l.before_era and l.to_transaction < l.before_to)
$$;
comment on function audit.chain_findings(bigint) is
    'Returns the missing and altered seals and the broken links of the chain, from a seal on. Reads no record.';

create or replace function audit.gaps()
returns table (before_era smallint, before_to bigint, before_running bigint[],
               after_era smallint, after_to bigint, after_running bigint[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with links as (
        select s.id, s.era, s.to_transaction, s.running, lag(s.id, 1, 0::bigint) over (order by s.id) as before_id
        from audit.seals s)
    select p.era, p.to_transaction, p.running, a.era, a.to_transaction, a.running
    from links a
    left join links b on b.id = a.before_id
    -- The missing seals can be of the round of the seal before them, so the gap begins where that round did.
    left join lateral (
        select r.era, r.to_transaction, r.running from audit.seals r
        where r.id < b.id and (r.era, r.to_transaction, r.running) <> (b.era, b.to_transaction, b.running)
        order by r.id desc limit 1) p on true
    where a.id > a.before_id + 1
$$;
comment on function audit.gaps() is
    'Returns where seals are missing from the chain: the snapshot of the last round before them, null at the '
    'beginning, and that of the seal after them.';

create or replace function audit.record_findings(first_seal bigint, since_era smallint, since_to bigint,
                                                 since_running bigint[])
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable
set search_path = pg_catalog, pg_temp set enable_nestloop = off set jit = off set work_mem = '64MB'
as $$
    with present as (
        select r.id, r.recorded_at, r.era, r.transaction_id, r.action, r.entity, r.entity_id,
               audit.record_digest(r) as digest
        from audit.records r
        where r.transaction_id >= least(since_to, (select min(x) from unnest(since_running) x))
            and (since_era is null
                 or r.era >= since_era and not audit.was_visible(r.transaction_id, since_to, since_running))),
    differing as materialized (
        select p.id as present_id, l.record_id as listed_id, l.seal_id, l.leaf, l.blinding,
               p.recorded_at, p.era, p.transaction_id,
               format('%s %s%s, recorded %s UTC', p.action, p.entity, ' ' || p.entity_id,
                      to_char(p.recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) as detail
        from present p full join audit.listed_leaves(first_seal, '-infinity') l on l.record_id = p.id
        where p.id is null or l.record_id is null or audit.leaf(l.blinding, p.digest) <> l.leaf),
    twins as (
        select r.id from audit.records r
        where r.id in (select d.present_id from differing d where d.listed_id is not null)
        group by r.id having count(*) > 1),
    state as (
        select now_era.era, last.to_transaction, last.running, audit.is_at_home() as at_home,
               greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                        pg_current_xact_id_if_assigned()::text::bigint + 1) as next_transaction,
               (select s.sealed_at from audit.seals s order by s.id desc limit 1) as sealed_at
        from (select coalesce(max(e.era), 1::smallint) as era from audit.eras e) now_era
        cross join lateral audit.last_round(now_era.era) last),
    unlisted as (
        select d.*, case
            when exists (
                select from audit.gaps() g
                where not coalesce(d.era < g.before_era
                                   or d.era = g.before_era
                                       and audit.was_visible(d.transaction_id, g.before_to, g.before_running), false)
                  and (d.era < g.after_era
                       or d.era = g.after_era and audit.was_visible(d.transaction_id, g.after_to, g.after_running)))
                then 'uncovered_record'
            when d.era <> s.era or audit.was_visible(d.transaction_id, s.to_transaction, s.running) then 'added_record'
            -- Restored elsewhere, and no era begun since: the numbers of the transactions do not compare.
            when s.at_home and d.transaction_id >= s.next_transaction then 'added_record'
            when s.at_home is not false
                and greatest(d.recorded_at, s.sealed_at) < statement_timestamp() - interval '1 hour'
                then 'unsealed_record' end as finding
        from differing d cross join state s
        where d.listed_id is null)
    select case when d.present_id in (select t.id from twins t) then 'added_record' else 'altered_record' end,
           d.seal_id, d.present_id, d.detail
    from differing d where d.present_id is not null and d.listed_id is not null
    union all
    select 'missing_record', d.seal_id, d.listed_id, null
    from differing d
    where d.present_id is null
        and not exists (
            select from audit.deletions x cross join lateral unnest(x.record_ids, x.digests) deleted (id, digest)
            where deleted.id = d.listed_id and audit.leaf(d.blinding, deleted.digest) = d.leaf
                and x.deletion_id in (select l.deletion_id from audit.deletion_lists() l where l.is_genuine))
    union all
    select u.finding, null, u.present_id, u.detail from unlisted u where u.finding is not null
$$;
comment on function audit.record_findings(bigint, smallint, bigint, bigint[]) is
    'Returns the records that differ from the seals: altered, added, missing and not deleted on the record, or '
    'unsealed for more than an hour. From a seal on, with the snapshot of the round before it; a null era '
    'is all of the trail.';

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

create or replace function audit.checkpoint_findings(checkpoints text[])
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    -- VERIFY and RESTORE records hold checkpoints too; no user of the application can write those.
    with given as (
        select null::bigint as record_id, checkpoint, 'kept outside' as kept from unnest(checkpoints) checkpoint
        union all
        select r.id, r.new_values ->> 'checkpoint', format('kept on record %s', r.id)
        from audit.records r
        where r.action in ('VERIFY', 'RESTORE') and r.new_values ->> 'checkpoint' is not null),
    parsed as (
        select g.record_id, g.kept, e.era, split_part(g.checkpoint, chr(10), 3) as root,
               case when split_part(g.checkpoint, chr(10), 2) ~ '^[1-9][0-9]{0,17}$'
                    then split_part(g.checkpoint, chr(10), 2)::bigint end as size
        from given g left join audit.eras e on e.origin = split_part(g.checkpoint, chr(10), 1)),
    compared as (
        select p.*, encode(audit.tree_root(p.size), 'base64') as root_here,
               (select max(s.id) from audit.seals s) as size_here,
               -- A checkpoint of an earlier era ends with the blocks of that era or before.
               exists (select from audit.seals s where s.id = p.size and s.era > p.era) as is_beyond
        from parsed p)
    select case when c.era is null or c.size is null then 'other_seal'
                when c.size > coalesce(c.size_here, 0) or c.is_beyond then 'cut_chain'
                else 'other_seal' end,
           c.size, c.record_id,
           case when c.size is null then format('checkpoint %s is none', c.kept)
                when c.era is null then format('checkpoint %s, of an origin that this trail does not have', c.kept)
                else format('checkpoint %s', c.kept) end
    from compared c
    where c.era is null or c.size is null or c.size > coalesce(c.size_here, 0) or c.is_beyond or c.root_here <> c.root
$$;
comment on function audit.checkpoint_findings(text[]) is
    'Returns the checkpoints that do not fit the tree over the blocks: the chain was cut off before their size, or '
    'sealed again. A checkpoint that needs a missing seal cannot be compared; that seal is a finding by itself.';

create or replace function audit.verify_seals(since timestamptz default '-infinity', checkpoints text[] default '{}')
returns table (finding text, seal_id bigint, record_id bigint, detail text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    first_ever constant bigint := -9223372036854775808; -- no trigger writes a number below 3, a forger could
    recent audit.seals;
    prior audit.seals;
begin
    perform audit.require_execute('audit.verify_seals(timestamptz, text[])');
    -- From which round on: that of the first seal since the time, otherwise the last one. The numbers of transactions
    -- compare within an era only, so a time before the present one means all of the trail.
    if since > '-infinity' then
        select s.id, s.era, s.to_transaction, s.running
        into recent.id, recent.era, recent.to_transaction, recent.running
        from audit.seals s
        where s.id = coalesce((select min(f.id) from audit.seals f where f.sealed_at >= since),
                              (select max(l.id) from audit.seals l));
    end if;
    select s.id, s.era, s.to_transaction, s.running
    into prior.id, prior.era, prior.to_transaction, prior.running
    from audit.seals s
    where s.id < recent.id and s.era = recent.era and s.era = (select max(e.era) from audit.eras e)
        and (s.to_transaction, s.running) <> (recent.to_transaction, recent.running)
    order by s.id desc limit 1;
    return query
        select * from audit.chain_findings(coalesce(prior.id, 0) + 1)
        union all
        select * from audit.record_findings(coalesce(prior.id, 0) + 1, prior.era,
                                            coalesce(prior.to_transaction, first_ever), coalesce(prior.running, '{}'))
        union all
        select * from audit.shape_findings(coalesce(prior.to_transaction, first_ever))
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
        select * from audit.checkpoint_findings(checkpoints)
        order by 2, 3, 1;
end
$$;
comment on function audit.verify_seals(timestamptz, text[]) is
    'Recomputes every digest and hash, or those of the seals made since a time, and returns a row for each record, '
    'seal and deletion that is not as it was sealed. checkpoints: as kept outside of the database. A record '
    'that is not sealed yet is a finding only when it could have been sealed for an hour.';

create or replace function audit.sealing_state()
returns table (checkpoint text, sealed_at timestamptz, era smallint, sealed bigint, deleted bigint, unsealed bigint,
               unsealed_since timestamptz)
language sql stable set search_path = pg_catalog, pg_temp set enable_nestloop = off
as $$
    with present as (
        select e.era, e.origin, last.to_transaction, last.running
        from (select q.era, q.origin from audit.eras q order by q.era desc limit 1) e
        cross join lateral audit.last_round(e.era) last),
    last as (select s.id, s.sealed_at from audit.seals s order by s.id desc limit 1),
    waiting as (
        select r.recorded_at from audit.records r
        where r.transaction_id >= coalesce((select least(p.to_transaction, (select min(x) from unnest(p.running) x))
                                            from present p), 0)
            and not exists (select from present p
                            where r.era < p.era or audit.was_visible(r.transaction_id, p.to_transaction, p.running)))
    select audit.checkpoint_text(p.origin, l.id, audit.tree_root(l.id)), l.sealed_at, p.era,
           (select coalesce(sum(s.record_count), 0)::bigint from audit.seals s),
           (select coalesce(sum(cardinality(d.record_ids)), 0)::bigint from audit.deletions d),
           w.records, w.since
    from (select count(*) as records, min(recorded_at) as since from waiting) w
    left join last l on true left join present p on true
$$;
comment on function audit.sealing_state() is
    'Returns one row: the checkpoint, how many records were ever sealed, how many were deleted by '
    'audit.delete_records, and how many are not sealed yet and since when.';

create or replace function audit.seal_status()
returns table (checkpoint text, sealed_at timestamptz, era smallint, sealed bigint, deleted bigint, unsealed bigint,
               unsealed_since timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform audit.require_execute('audit.seal_status()');
    return query select s.* from audit.sealing_state() s;
end
$$;
comment on function audit.seal_status() is 'Returns audit.sealing_state() to users who may verify the trail.';
