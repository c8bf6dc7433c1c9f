"""Creates the login that watches: backstitch_watch, which reads the raw trail and the tables, and writes nothing.

Why: who verifies the trail must read it past every view and function that a DBA could have replaced, and must not be
able to change what it judges.
Locks: none that matter; roles are rows of a catalog.

What the login may read is in db/rights.sql. It gets its password at start-up (backstitch.startup).
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

# The doctor asks nothing of the database that it judges: its queries are in db/judge/, and never installed.
DOCTOR = """
drop function if exists
    audit.findings(), audit.personal_findings(), audit.table_findings(), audit.role_findings(),
    audit.partition_findings(), audit.seal_findings(interval), audit.faulty_triggers(regclass, oid);
do $$
begin
    if to_regclass('audit.watched_tables') is not null then
        drop function if exists audit.source_is_current(audit.watched_tables, text);
    end if;
end
$$;
drop type if exists audit.finding;
"""


def upgrade() -> None:
    run_sql(ROLE)
    run_as_owner(DOCTOR)
