"""standard_conforming_strings = off, set for the whole database, changes nothing that Backstitch does."""

from datetime import timedelta

import pytest

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.accounts.sessions import Browser
from backstitch.audit import integrity, sealing, undo
from backstitch.inventory import reasons
from backstitch.inventory.parties import commands as party_commands
from backstitch.inventory.products import commands as product_commands
from tests.conftest import PASSWORD, Clone, email_of
from tests.db.business import open_business
from tests.db.trail import acting, assert_replay_matches, refused


@pytest.fixture
def clone(clone: Clone) -> Clone:
    with clone.superuser() as psql:
        psql.execute(f'alter database "{clone.url.database}" set standard_conforming_strings = off')
    return clone


def test_signing_in_writing_undoing_forgetting_and_sealing_work(clone: Clone) -> None:
    with clone.app.anonymous() as connection:
        assert connection.exec_driver_sql("show standard_conforming_strings").scalar_one() == "off"
    browser = Browser(secret="another browser", address="192.0.2.8", user_agent="a \\ b")
    opened = [
        sessions.sign_in(
            clone.app, email=email_of(Role.ADMIN), password=word, browser=browser, lifetime=timedelta(hours=1)
        )
        for word in (PASSWORD, "wrong \\ 'word'")
    ]
    assert opened == [True, False]

    business = open_business(clone)
    with business.write(reason="of \\ course") as connection:
        product_commands.add_colours(connection, product_id=business.product, colours=["Green \\ grey"])
        done = undo.this_transaction(connection)
    with business.write(reason="a mistake") as connection:
        assert undo.undo(connection, undoable=done).skipped == 0
    with business.write(Role.ADMIN, reason="letter") as connection:
        assert "Product" in reasons.askable(connection)
        assert party_commands.forget_customer(connection, customer_id=business.customer, reason="letter") == 0
    for reason in ("to forget Rao & Sons", " "):
        with refused("22023", "forget_with_reason"), acting(clone, Role.ADMIN, reason="letter") as app:
            app.execute("select inventory.forget_agency(%s, %s)", (business.agency, reason))
    assert sealing.seal(clone.app) > 0
    assert integrity.verify(clone.watch).findings == ()
    with clone.superuser() as psql:
        assert_replay_matches(psql)
