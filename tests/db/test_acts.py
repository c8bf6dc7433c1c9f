"""Each act of a DBA, or of a thief of the application's login, is named by whom docs/security.md says."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from backstitch import doctor
from backstitch.audit import integrity, replay, sealing
from backstitch.audit.integrity import Checkpoint
from backstitch.database import System
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.acts import ACTS, CHECKPOINT, DBA, DOCTOR, NOBODY, RECORD, REFUSED, REPLAY, VERIFY, Act
from tests.db.audit.tampering import seal_all
from tests.db.business import open_business
from tests.db.trail import switch_off_event_triggers

LOGIN = "acts_reporter"
LAST = "select coalesce(max(id), 0) from audit.records"
# Those that an act plants name no application.
NEW = "select exists (select from audit.records where id > %s and application is not null)"


@pytest.fixture
def shop(clone: Clone) -> Iterator[Clone]:
    """A business whose trail is sealed in more than one block, and a login of an administrator's own."""
    open_business(clone)
    with clone.superuser() as psql:
        psql.execute(f"drop role if exists {LOGIN}")
        psql.execute(f"create role {LOGIN} login")
        psql.execute("update inventory.agencies set region_covered = 'Pune'")
        seal_all(psql)
        psql.execute("update inventory.agencies set region_covered = 'Pune and Nashik'")
        seal_all(psql)
        yield clone
        psql.execute("set session_replication_role = origin; reset backstitch.source")
        switch_off_event_triggers(psql)  # they would refuse what the act keeps from being recorded
        psql.execute(f"drop owned by {LOGIN}; drop role {LOGIN}")


def do(clone: Clone, act: Act) -> bool:
    """Does it; whether the database let it happen."""
    with clone.superuser() if act.who == DBA else clone.application() as connection:
        try:
            for statement in act.statements:
                whole = statement.replace("{login}", LOGIN).replace("{database}", str(clone.url.database))
                connection.execute(whole.encode())
        except psycopg.Error:
            return False
    return True


def found_by_doctor(clone: Clone) -> set[str]:
    with clone.owner.owner_connection() as connection:
        found = doctor.findings(connection, watch=clone.watch, thorough=True)
        return {one.sentence for one in found if one.severity in {"error", "warning"} and one.check != "durability"}


def test_before_an_act_nobody_names_anything(shop: Clone) -> None:
    assert not found_by_doctor(shop)
    assert not has_findings(shop) and not has_differences(shop)


def has_findings(clone: Clone, *checkpoints: Checkpoint) -> bool:
    return is_named(lambda: bool(integrity.verify(clone.watch, checkpoints=checkpoints).findings))


def has_differences(clone: Clone) -> bool:
    def differs() -> bool:
        with clone.watch.raw() as connection:
            return any(outcome.total or outcome.problems for outcome in replay.replay(connection))

    return is_named(differs)


def is_named(judge: Callable[[], bool]) -> bool:
    """What a judge says; one that cannot judge says so in a sentence, which is no silence."""
    try:
        return judge()
    except Refused:
        return True


def named_by(clone: Clone, act: Act) -> set[str]:
    """Does it and asks everybody."""
    with clone.superuser() as psql:
        with clone.owner.read(System()) as connection:
            kept = integrity.checkpoint(connection)
        before = psql.execute(LAST).fetchone()
        named = set() if do(clone, act) else {REFUSED}
        for each_second in (sealing.look, sealing.seal):
            with suppress(Refused, DBAPIError):  # what it met is for the others to name
                each_second(clone.app)
        if psql.execute(NEW, before).fetchone() == (True,):
            named |= {RECORD}
    if found_by_doctor(clone):
        named |= {DOCTOR}
    if has_findings(clone):
        named |= {VERIFY}
    elif kept is not None and has_findings(clone, kept):
        named |= {CHECKPOINT}
    if has_differences(clone):
        named |= {REPLAY}
    return named or {NOBODY}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.words)
def test_an_act_is_named_by_whom_the_table_says(shop: Clone, act: Act) -> None:
    try:
        assert named_by(shop, act) == set(act.named_by)
    finally:
        with shop.superuser() as psql:
            psql.execute(act.afterwards.encode())


def test_the_table_in_the_documentation_is_this_list(project: Path) -> None:
    page = (project / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:DBA|thief) \| .* \|$", page, re.MULTILINE)
    assert rows == [row(act) for act in ACTS]
    assert len(rows) >= 40


def row(act: Act) -> str:
    """The line of an act in the table of docs/security.md."""
    return f"| {act.who} | {act.words} | {', '.join(act.named_by)} |"


def test_each_act_is_in_the_list_once() -> None:
    assert len({(act.who, act.words) for act in ACTS}) == len(ACTS)
