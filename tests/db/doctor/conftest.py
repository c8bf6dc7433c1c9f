"""The clones of the tests of the doctor: sealed, and without event triggers, which would refuse much of the damage."""

import pytest

from tests.conftest import Clone
from tests.db.conftest import quiet, sealed


@pytest.fixture
def clone(clone: Clone) -> Clone:
    """A database of its own for one test."""
    return quiet(sealed(clone))


@pytest.fixture(scope="module")
def kept_clone(kept_clone: Clone) -> Clone:
    """One database for the tests of a module that commit nothing."""
    return quiet(sealed(kept_clone))
