-- Backstitch: the seals of the audit trail.
--
-- Purpose. The seals show when somebody writes to audit.records past the triggers (its owner, a superuser, somebody
-- with access to the disk). Committed records are sealed in blocks: a seal keeps a leaf, 32 bytes, of each record and
-- the root of the tree over the leaves, and its own hash covers that root and the hash of the previous seal.
-- Nothing here verifies: `python -m backstitch verify` computes everything outside of the database, from raw rows
-- (backstitch/audit/integrity.py), because whoever can write past the triggers can replace functions, too.
--
-- Form. docs/proof.md has it byte by byte, with test vectors. Leaves and trees are those of RFC 6962. A leaf is
-- blinded: with the digest of its record it hashes an HMAC of the record's id, whose key is the salt of the block. So a
-- leaf that is given away as part of a proof gives away nothing of its record, and no salt is stored per record. The
-- hashes of the blocks are the leaves of a tree of their own, whose root is the checkpoint.
--
-- Rounds. A round seals what was committed since the round before. Its seals keep the snapshot: to_transaction (its
-- xmax) and the transactions below that were still running. A record belongs to the first round whose snapshot sees its
-- transaction as ended. So nothing can commit behind a seal, and an open transaction holds up its own records only. A
-- round makes a block per 4,096 records of a month; a round that finds nothing writes nothing. All seals of a round have
-- one time, taken before its snapshot: a transaction with a number at or above to_transaction began after it, so a
-- record of it with an earlier time was written after its time, in whichever era it is sealed.
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
--     that is added with a number that no seal has seen and a time not before the last seal.
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
-- record. So the deletion, which joins listed records with stored ones, disables nested loops, and functions that read
-- new records disable sequential scans.
--
-- No literal has a backslash, because its meaning in an SQL function depends on standard_conforming_strings.
--
-- Code: applied again whenever a file of db/ has changed (db/code.py). Runs as backstitch_owner.
-- Order: hashes, the tree over the blocks, eras, sealing, deletion, state.

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

create or replace function audit.seal_round(
    of_era smallint, began timestamptz, snapshot_end bigint, still_running bigint[]
) returns bigint
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
    block.sealed_at := began;
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
comment on function audit.seal_round(smallint, timestamptz, bigint, bigint[]) is
    'Seals the records of an era that a snapshot sees and the last seal''s does not, in blocks of up to 4,096 of a '
    'month. began: a time before that snapshot was taken. Returns how many. The caller holds audit.sealing_lock().';

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
    began constant timestamptz := clock_timestamp(); -- before the snapshot, which is the next one
    seen constant pg_snapshot := pg_current_snapshot();
    own constant bigint := pg_current_xact_id_if_assigned()::text::bigint;
begin
    -- What this transaction has written is not committed. A snapshot does not list its own transaction as running.
    return audit.seal_round(
        present, began, pg_snapshot_xmax(seen)::text::bigint,
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
    began constant timestamptz := clock_timestamp();
    last_end constant bigint := (select l.to_transaction from audit.last_round(present) l);
begin
    -- A dump holds what was committed: none of its transactions still runs.
    return audit.seal_round(
        present, began,
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
            -- An erasure stays: without it, values would seem to be gone without one.
            and r.action not in ('AUDIT_DELETE', 'FORGET')),
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
    'AUDIT_DELETE and FORGET records, stay. For an admin or the owner, with a reason.';

-- State ----------------------------------------------------------------------------------------

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
