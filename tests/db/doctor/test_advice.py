"""Every finding is found, and what the doctor advises, run as given, removes it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from backstitch import __main__, __version__, doctor
from backstitch.doctor import Finding
from backstitch.doctor.finding import REAPPLY
from db import code
from tests.conftest import Clone
from tests.db.doctor import cases
from tests.db.doctor.cases import Case

PLAIN = {"no_parameters": True}
PSQL = "run: python -m backstitch psql "
NAMES = (
    "select current_database() as database, 'audit.records_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as month, "
    "to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY-MM') as next_month, "
    "(select max(id) from audit.records) as newest"
)


@contextmanager
def damaged(clone: Clone, case: Case) -> Iterator[tuple[Connection, str]]:
    """A superuser's transaction with the damage, which is rolled back, and the sentence with its names filled in."""
    with clone.owner.owner_connection() as connection, connection.begin() as transaction:
        names = dict(connection.exec_driver_sql(NAMES).mappings().one())
        connection.exec_driver_sql("set local allow_system_table_mods = on")
        connection.exec_driver_sql(case.damage.format(**names) if "{" in case.damage else case.damage,
                                   execution_options=PLAIN)  # fmt: skip
        sentence = case.sentence
        for name, value in names.items():
            sentence = sentence.replace(f"{{{name}}}", str(value))
        yield connection, sentence
        transaction.rollback()


def wrong(connection: Connection) -> dict[str, Finding]:
    """The findings that are errors or warnings, by their sentences; not what the tests' own server is."""
    return {
        found.sentence: found
        for found in doctor.findings(connection)
        if found.severity in ("error", "warning") and found.check != "durability"
    }


def statements(advice: str) -> list[str]:
    """What psql is to run, as a shell gives it to the command."""
    assert PSQL in advice, advice
    words = shlex.split(advice[advice.index(PSQL) + len("run: ") :])
    assert words[:4] == ["python", "-m", "backstitch", "psql"]
    assert words[4::2] == ["-c"] * len(words[5::2])
    return words[5::2]


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.damage[:90])
def test_what_is_advised_removes_what_was_found(kept_clone: Clone, case: Case) -> None:
    with damaged(kept_clone, case) as (connection, sentence):
        before = wrong(connection)
        assert sentence in before, list(before)
        found = before[sentence]
        assert (found.check, found.severity) == (case.check, case.severity)
        assert found.advice is not None
        for statement in statements(found.advice):
            connection.exec_driver_sql(statement, execution_options=PLAIN)
        connection.exec_driver_sql("reset role")
        after = wrong(connection)
        assert sentence not in after
        assert {one for one in after if after[one].severity == "error"} <= before.keys()


@pytest.mark.parametrize("case", cases.REAPPLIED, ids=lambda case: case.damage[:90])
def test_applying_the_code_again_removes_what_was_found(kept_clone: Clone, case: Case) -> None:
    with damaged(kept_clone, case) as (connection, sentence):
        found = wrong(connection)[sentence]
        assert (found.check, found.severity, found.advice) == (case.check, case.severity, REAPPLY)
        connection.exec_driver_sql("set local search_path = public")
        code.apply(connection, version=__version__, begin_era=lambda: None)
        assert wrong(connection) == {}


@pytest.mark.usefixtures("environment")
def test_the_command_that_is_advised_does_that(clone: Clone) -> None:
    with clone.superuser() as psql:
        psql.execute("set allow_system_table_mods = on")
        for case in cases.REAPPLIED:
            psql.execute(case.damage)
    with clone.owner.owner_connection() as connection:
        before = wrong(connection)
        assert {case.sentence for case in cases.REAPPLIED} <= before.keys()
        connection.rollback()
        assert __main__.main(shlex.split(REAPPLY.removeprefix("run: "))[3:]) == 0
        assert wrong(connection) == {}


@pytest.mark.usefixtures("environment")
def test_psql_runs_what_is_advised_as_the_shell_gives_it(clone: Clone) -> None:
    """The other cases hand the statements to the server themselves."""
    odd = "create function audit.\"Odd $name \\ `s\"() returns integer language sql as 'select 1'"
    with clone.superuser() as psql:
        psql.execute(odd)
        psql.execute("alter table inventory.products disable trigger audit_update; drop index inventory.orders_open")
    with clone.owner.owner_connection() as connection:
        advised = [found.advice for found in wrong(connection).values()]
        connection.rollback()
        assert len(advised) == 3
        for advice in advised:
            assert advice is not None
            assert advice.startswith(PSQL)
            assert __main__.main(shlex.split(advice.removeprefix("run: "))[3:]) == 0
        assert [found for found in wrong(connection).values()] == []


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        # A revision has made the function, and constraints ask it.
        (cases.FROM_A_REVISION, "make it again as db/migrations/versions has it"),
        # It belongs to PostgreSQL.
        (cases.OF_POSTGRESQL, "compare with a fresh database of this version, or restore from a backup"),
        # Their rows, or values, are gone.
        (cases.LOST_COLUMN, "compare with a fresh database of this version, or restore from a backup"),
        (cases.LOST_TABLE, "compare with a fresh database of this version, or restore from a backup"),
        # Functions hang on the type.
        (cases.OTHER_TYPE, "compare with a fresh database of this version, or restore from a backup"),
    ],
)
def test_where_no_command_can_help_words_say_what_to_do(kept_clone: Clone, case: Case, advice: str) -> None:
    with damaged(kept_clone, case) as (connection, sentence):
        (found,) = [one for said, one in wrong(connection).items() if said.startswith(sentence)]
    assert found.advice == advice


def test_a_table_that_cannot_be_on_the_record_has_to_be_made_an_ordinary_one_first(kept_clone: Clone) -> None:
    with damaged(kept_clone, cases.PARTITIONED) as (connection, sentence):
        advice = wrong(connection)[sentence].advice
    assert advice is not None
    assert advice.startswith("make it an ordinary table, then run: python -m backstitch psql")
