"""Whatever is done to the sealed trail behind its back is found and named; nothing else is: SAFETY row 10."""

from collections.abc import Iterator

import pytest

from tests.conftest import Clone
from tests.db.audit import tampering
from tests.db.audit.tampering import KINDS, History, make_history
from tests.db.trail import Connection

SEEDS = 5  # bench/verify.py takes 100


@pytest.fixture
def sealed(clone: Clone) -> Iterator[tuple[Connection, History]]:
    """A hand at psql, and a sealed history."""
    with clone.superuser() as psql:
        yield psql, make_history(psql)


def test_every_kind_of_tampering_is_found_and_named(sealed: tuple[Connection, History]) -> None:
    psql, history = sealed
    wrong = []
    for kind in KINDS:
        for seed in range(SEEDS):
            named, expected = tampering.found(psql, history, kind, seed)
            if named != expected:
                wrong.append((kind.__name__, seed, named - expected, expected - named))
    assert wrong == []
    assert tampering.findings(psql, history.checkpoint) == set()
