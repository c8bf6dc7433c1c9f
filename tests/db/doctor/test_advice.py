"""Every finding is found, and what the doctor advises, run as given, removes it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from backstitch import doctor
from backstitch.doctor import Finding
from tests.conftest import Clone
from tests.db.conftest import sealed
from tests.db.doctor import cases
from tests.db.doctor.cases import Case

PLAIN = {"no_parameters": True}
PSQL = "run: python -m backstitch psql "
NAMES = (
    "select current_database() as database, 'audit.records_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as month, "
    "to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY-MM') as next_month, "
    "(select max(id) from audit.records) as newest"
)


@pytest.fixture(scope="module")
def kept_clone(kept_clone: Clone) -> Clone:
    return sealed(kept_clone)


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
