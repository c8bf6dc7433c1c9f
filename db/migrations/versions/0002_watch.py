"""Creates the login that watches, backstitch_watch, and the table of interruptions, audit.guards.

Why: who verifies the trail must read it past every view and function that a DBA could have replaced, and must not be
able to change what it judges. And a table that was off the record for a while must be known to have been.
Locks: none that matter; roles are rows of a catalog.

What the login may read is in db/rights.sql. It gets its password at start-up (backstitch.startup).

Also tells a trail that was restored into the same database (audit.eras.records_oid), gives Alembic's table to
backstitch_owner, so that a backup can be restored by another login, and drops the functions by which the database
judged itself: verification, replay and the doctor do so from outside.
"""

from db.migrations.sql import run_as_owner, run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = r"""
do $$
begin
    if not exists (select from pg_roles where rolname = 'backstitch_watch') then
        begin
            create role backstitch_watch login noinherit;
        exception when duplicate_object or unique_violation then
            null; -- the migration of another database of this server has created it since
        end;
    end if;
end
$$;

grant select on public.alembic_version to backstitch_watch;
"""

# Verification is computed outside of the database, and a round has one time.
VERIFICATION = r"""
drop function if exists audit.verify_seals(timestamptz, text[]);
drop function if exists audit.record_findings(bigint, smallint, bigint, bigint[]);
drop function if exists audit.chain_findings(bigint);
drop function if exists audit.checkpoint_findings(text[]);
drop function if exists audit.shape_findings(bigint);
drop function if exists audit.gaps();
drop function if exists audit.deletion_lists();
drop function if exists audit.seal_status();
drop function if exists audit.seal_round(smallint, bigint, bigint[]);

comment on column audit.seals.sealed_at is
    'When the round of the block began (clock_timestamp()), before its snapshot was taken: what has a number from '
    'to_transaction on began after it. All seals of a round have the same; those from before 0.10 each their own, '
    'taken when their records had been read.';
"""

GUARDS = r"""
create table audit.guards (
    guard text not null constraint guards_pkey primary key,
    relation text not null,
    since timestamptz,
    record_id bigint
);
comment on table audit.guards is
    'What has to stand so that changes reach the trail, and has fallen. Written by audit.note_interruptions only.';
comment on column audit.guards.guard is
    'The entity of a watched table, `trail` and the table that something stands before, or `definitions`.';
comment on column audit.guards.relation is 'The table that is not on the record meanwhile.';
comment on column audit.guards.since is 'When it fell; null: it stands.';
comment on column audit.guards.record_id is 'The record of that.';
"""

# Replay and the check of personal values read raw rows from outside (backstitch/audit/replay.py, personal.py).
JUDGED_OUTSIDE = r"""
drop function if exists audit.differences(regclass);
drop function if exists audit.personal_findings();
"""

# The doctor asks nothing of the database that it judges: its queries are in db/judge/, and never installed.
DOCTOR = """
drop function if exists
    audit.findings(), audit.personal_findings(), audit.table_findings(), audit.role_findings(),
    audit.partition_findings(), audit.seal_findings(interval);
do $$
begin
    if to_regclass('audit.watched_tables') is not null then
        drop function if exists audit.source_is_current(audit.watched_tables, text);
    end if;
end
$$;
drop type if exists audit.finding;
"""

ERAS = r"""
alter table audit.eras add column records_oid bigint;
comment on column audit.eras.records_oid is
    'pg_class.oid of audit.records: a restore into the same database makes the table anew. Null in eras before it was '
    'kept.';
update audit.eras e set records_oid = 'audit.records'::regclass::oid::bigint
where e.era = (select max(q.era) from audit.eras q);

-- They have other arguments and results now.
drop function if exists audit.begin_era;
drop function if exists audit.prepare_to_seal;

-- A dump names the owner of each object, and the login that migrates is another one on another server.
alter table public.alembic_version owner to backstitch_owner;
"""


def upgrade() -> None:
    run_sql(ROLE)
    run_as_owner(VERIFICATION)
    run_as_owner(GUARDS)
    run_as_owner(JUDGED_OUTSIDE)
    run_as_owner(DOCTOR)
    run_sql(ERAS)
