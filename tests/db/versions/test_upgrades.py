"""From one version to the next: an upgraded database is as a fresh one, and what has landed stays as it is."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from backstitch import doctor, migrations
from backstitch.audit import replay
from backstitch.database import Database
from backstitch.startup import conninfo
from tests.conftest import Clone, Cloner, fresh_copy, prepare
from tests.db.audit.tampering import verification
from tests.db.versions.lived_in import DUMPS, dump, dump_schema, empty_database, live_in, restore

FROZEN = Path(__file__).with_name("frozen.sha256")
# What no version has yet: a revision or a step in the making.
NOT_YET_FROZEN: set[str] = set()


@contextmanager
def opened(url: URL) -> Iterator[Database]:
    """The database as its owner."""
    database = Database(url.render_as_string(hide_password=False), pool_size=1)
    try:
        yield database
    finally:
        database.dispose()


def upgrade(url: URL) -> None:
    with opened(url) as owner, owner.owner_connection() as connection:
        migrations.upgrade(connection)


def assert_proved(url: URL) -> None:
    """Replay, verify and doctor have nothing to say."""
    with opened(url) as owner:
        with owner.raw() as connection:
            assert [outcome for outcome in replay.replay(connection) if outcome.total] == []
        with psycopg.connect(conninfo(url), autocommit=True) as psql:
            assert verification(psql).findings == ()
        with owner.anonymous() as connection:
            assert [found for found in doctor.findings(connection) if found.severity == "error"] == []


@pytest.fixture(scope="module")
def fresh_schema(server_url: URL, template: str) -> str:
    """`pg_dump -s` of a fresh database of this version."""
    return dump_schema(server_url.set(database=template))


@pytest.fixture(scope="module")
def kept_now(server_url: URL, cloner: Cloner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump of a database that was lived in under this version."""
    file = tmp_path_factory.mktemp("dumps") / "now.sql.gz"
    with fresh_copy(server_url, cloner) as clone:
        live_in(clone)
        dump(clone.url, file)
    return file


@pytest.mark.parametrize("version", [*sorted(file.name for file in DUMPS.glob("*.sql.gz")), "this version"])
def test_a_database_of_each_version_is_upgraded_to_what_a_fresh_one_is(
    server_url: URL, template: str, fresh_schema: str, kept_now: Path, version: str
) -> None:
    with empty_database(server_url, f"{template}_kept") as url:
        restore(kept_now if version == "this version" else DUMPS / version, url)
        upgrade(url)
        assert dump_schema(url) == fresh_schema
        assert_proved(url)


@pytest.mark.parametrize(
    "damage",
    [
        "create or replace function audit.forget_actor() returns void language sql as 'select null::void'",
        "create function audit.rows_in_use(bigint) returns bigint language sql as 'select 1::bigint'",
        "alter table inventory.inward_logs drop constraint inward_quantity_positive",
        "drop index inventory.orders_open",
        "drop policy for_signed_in on accounts.users",
        "grant update on inventory.products to backstitch_viewer",
        "comment on function audit.seal() is 'something else'",
        "alter table inventory.orders disable trigger check_order",
    ],
)
def test_the_comparison_fails_when_one_thing_differs(clone: Clone, fresh_schema: str, damage: str) -> None:
    assert dump_schema(clone.url) == fresh_schema
    with clone.superuser() as psql:
        psql.execute(damage)
    assert dump_schema(clone.url) != fresh_schema


# A version after this one -------------------------------------------------------------------------

REVISION = '''"""A trial: a column on a watched table, a table, and a function that no file defines any more.

Why: to show that a database gets from one version to the next.
"""

from db.migrations.sql import run_as_owner

revision = "9999"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_as_owner(
        "alter table inventory.products add column season text not null default 'all year';"
        "create table inventory.seasons (id bigint generated always as identity primary key, name text not null);"
        "drop function if exists inventory.cell_used(bigint, text, text);"
    )
'''
STEP = """
select audit.watch('inventory.seasons', 'Season');
insert into inventory.seasons (name) values ('winter');
update inventory.products set season = 'winter' where sku = 'KT-1';
"""
# Uses the new column from a function that an old revision could not have known.
CODE = """
create or replace function inventory.season_of(product_id bigint) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select p.season from inventory.products p where p.id = season_of.product_id
$$;
comment on function inventory.season_of(bigint) is 'The season of a product.';
"""
# Runs in the next version's own process: makes one database from nothing, brings the other up, asks the doctor.
NEXT_VERSION = """
import json, sys
from backstitch import doctor, migrations
from backstitch.audit import integrity, replay
from backstitch.database import Database, System
from db import catalog

def upgraded(url):
    database = Database(url, pool_size=1)
    with database.owner_connection() as connection:
        migrations.upgrade(connection)
    return database

with upgraded(sys.argv[1]).anonymous() as connection:
    present, watched = catalog.present(connection), catalog.watched(connection)
expected = {}
for object, one in present.items():
    expected.setdefault(object.kind, {})[object.name] = one.definition
for one in watched:
    expected.setdefault("watched table", {})[one.name] = one.definition
catalog.EXPECTED.write_text(json.dumps(expected))
owner = upgraded(sys.argv[2])
with owner.raw() as connection:
    differences = sum(outcome.total for outcome in replay.replay(connection, owner=connection))
findings = [str(found) for found in integrity.verify(owner).findings]
with owner.anonymous() as connection:
    findings += [found.sentence for found in doctor.findings(connection) if found.severity == "error"]
print(json.dumps([differences, findings]))
"""


@pytest.fixture
def next_version(project: Path, tmp_path: Path) -> Path:
    """A checkout of the version after this one."""
    for folder in ("backstitch", "db"):
        shutil.copytree(project / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "backstitch" / "__init__.py").write_text('__version__ = "99.0"\n')
    (tmp_path / "db" / "migrations" / "versions" / "9999_trial.py").write_text(REVISION)
    (tmp_path / "db" / "steps" / "0003_seasons.sql").write_text(STEP)
    # The function that the revision drops goes from its file, and from the two that name it.
    products, rights = tmp_path / "db" / "inventory" / "products.sql", tmp_path / "db" / "rights.sql"
    before, rest = products.read_text().split("create or replace function inventory.cell_used(")
    after = rest[rest.index("create or replace function inventory.check_cell(") :]
    used = "inventory.cell_used(old.product_id, old.colour_code, old.size)"
    products.write_text(before + after.replace(used, "false") + CODE)
    named = rights.read_text().replace("inventory.cell_used(bigint, text, text)", "inventory.season_of(bigint)")
    rights.write_text(named)
    return tmp_path


def run_next_version(folder: Path, fresh: URL, old: URL) -> list[Any]:
    command = [sys.executable, "-c", NEXT_VERSION, *(url.render_as_string(hide_password=False) for url in (fresh, old))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: list[Any] = json.loads(done.stdout)
    return answer


def test_a_database_that_was_lived_in_gets_to_the_next_version_whole(
    server_url: URL, template: str, next_version: Path, kept_now: Path
) -> None:
    with empty_database(server_url, f"{template}_next") as fresh, empty_database(server_url, f"{template}_old") as old:
        restore(kept_now, old)
        assert run_next_version(next_version, fresh, old) == [0, []]
        assert dump_schema(old) == dump_schema(fresh)
        with psycopg.connect(conninfo(old)) as psql:
            recorded = psql.execute(
                "select action, entity, old_values, new_values from audit.records r "
                "where id > (select max(id) from audit.records where entity = 'Season' and action = 'CREATE') - 2 "
                "and entity in ('Season', 'Product') order by id"
            ).fetchall()
            assert ("CREATE", "Season", None, {"id": 1, "name": "winter"}) in recorded
            assert ("UPDATE", "Product", {"season": "all year"}, {"season": "winter"}) in recorded
            steps = psql.execute("select name from backstitch_steps order by 1").fetchall()
            assert steps == [("0001_watch",), ("0002_reason_policies",), ("0003_seasons",), ("0003_sheet_layouts",)]
        # And an older version keeps its hands off what the next one has made.
        with opened(old) as owner, owner.owner_connection() as connection, pytest.raises(Exception) as refused:
            migrations.upgrade(connection)
        assert str(refused.value).startswith("This database runs the code of Backstitch 99.0, and this is ")


# What has landed ----------------------------------------------------------------------------------


def changed(project: Path, frozen: str) -> list[str]:
    """The files of `sha256sum` lines that are not as they were."""
    lines = [line.split() for line in frozen.splitlines()]
    return [file for sha256, file in lines if hashlib.sha256((project / file).read_bytes()).hexdigest() != sha256]


def test_what_has_landed_is_as_it_was(project: Path) -> None:
    assert changed(project, FROZEN.read_text()) == []


def test_every_revision_and_step_is_frozen_when_it_lands(project: Path) -> None:
    files = [*(project / "db/migrations/versions").glob("0*.py"), *(project / "db/steps").glob("*.sql")]
    listed = {line.split()[1] for line in FROZEN.read_text().splitlines()}
    assert {file.relative_to(project).as_posix() for file in files} == listed | NOT_YET_FROZEN


def test_a_revision_that_changes_after_it_landed_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001.py").write_text("as it landed")
    frozen = f"{hashlib.sha256(b'as it landed').hexdigest()}  0001.py\n"
    assert changed(tmp_path, frozen) == []
    (tmp_path / "0001.py").write_text("mended a little")
    assert changed(tmp_path, frozen) == ["0001.py"]


def test_a_revision_reads_no_file_and_calls_no_function_that_can_change(project: Path) -> None:
    made = re.compile(r"create or replace (?:function|view|aggregate) ([a-z]+\.\w+)")
    code = {name for file in (project / "db").rglob("*.sql") for name in made.findall(file.read_text())}
    assert len(code) > 150
    for file in (project / "db/migrations/versions").glob("0*.py"):
        # What a revision drops may be called as something is again that has other arguments.
        source = re.sub(r"drop function if exists [a-z]+\.\w+\(", "", file.read_text())
        assert "read_text" not in source and "open(" not in source
        assert [name for name in code if f"{name}(" in source] == []


def test_a_fresh_database_and_a_prepared_one_are_one_schema(server_url: URL, template: str, fresh_schema: str) -> None:
    with empty_database(server_url, f"{template}_twice") as url:
        prepare(url)
        assert dump_schema(url) == fresh_schema
