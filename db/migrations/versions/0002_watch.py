"""Creates the login that watches: backstitch_watch, which reads the raw trail and the tables, and writes nothing.

Why: who verifies the trail must read it past every view and function that a DBA could have replaced, and must not be
able to change what it judges.
Locks: none that matter; roles are rows of a catalog.

What the login may read is in db/rights.sql. It gets its password at start-up (backstitch.startup).

Also tells a trail that was restored into the same database (audit.eras.records_oid), and gives Alembic's table to
backstitch_owner, so that a backup can be restored by another login.
"""

from db.migrations.sql import run_sql

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
    run_sql(ERAS)
