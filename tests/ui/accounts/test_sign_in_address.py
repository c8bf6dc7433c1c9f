"""The address of a browser, in the forms that proxies and systems report it: SAFETY row 16."""

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from tests.conftest import Clone
from tests.ui.shop import run


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("::ffff:198.51.100.7", "198.51.100.7"),  # the /64 of the mapped form holds all of IPv4: all would be locked
        ("fe80::7%eth0", "fe80::7"),
        ("::ffff:127.0.0.1", None),
    ],
)
def test_a_mapped_or_scoped_address_counts_as_the_plain_address(
    signed_out: AppTest, clone: Clone, monkeypatch: pytest.MonkeyPatch, reported: str, kept: str | None
) -> None:
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda self: reported))
    for field in run(signed_out).text_input:
        field.set_value("nobody")
    signed_out.button[0].click()
    assert len(run(signed_out).error) == 1
    with clone.superuser() as psql:
        found = psql.execute("select host(address) from audit.trail where action = 'LOGIN_FAILED'").fetchall()
    assert found == [(kept,)]
