"""Searching the trail: what is found, in which order, under which name, and by whom."""

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from backstitch.accounts import sessions
from backstitch.accounts.permissions import Role
from backstitch.audit import search, wording
from backstitch.audit.records import Record
from backstitch.errors import Refused
from tests.conftest import PASSWORD, Clone, email_of
from tests.db.audit.shop import NEW_INWARD, Shop, around_now, new_product, open_shop, put_into_the_past


@pytest.fixture(scope="module")
def kept_shop(kept_clone: Clone) -> Shop:
    """For tests that only read."""
    return open_shop(kept_clone)


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


def user_id(clone: Clone, role: Role) -> int:
    with clone.superuser() as connection:
        found = connection.execute("select id from accounts.users where email = %s", [email_of(role)]).fetchone()
        assert found is not None
        return int(found[0])


def actions_and_labels(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.action, record.label) for record in records]


def same_transaction(connection: Connection, of: search.Record, **page: Any) -> search.Page:
    return search.same_transaction(connection, transaction_id=of.transaction_id, near=of.recorded_at, **page)


def test_the_newest_record_comes_first_and_every_record_has_a_name(kept_shop: Shop) -> None:
    assert actions_and_labels(kept_shop.found(user_ids=(user_id(kept_shop.clone, Role.MANAGER),))) == [
        ("UPDATE", "AN201 · Red · M"),
        ("CREATE", f"Inward {kept_shop.inward} · AN201 · Red · M"),
        ("CREATE", "AN201 · Navy · M"),
        ("CREATE", "AN201 · Navy"),
        ("CREATE", "AN201 · Red · M"),
        ("CREATE", "AN201 · Red"),
        ("CREATE", "Product AN201 Leggings"),
    ]


def test_a_record_carries_all_that_the_trail_keeps(kept_shop: Shop) -> None:
    moved = kept_shop.found(entities=("ProductColorStock",), actions=("UPDATE",))[0]
    with kept_shop.clone.superuser() as connection:
        kept = connection.execute(
            "select id, recorded_at, transaction_id::text::bigint, session_id from audit.records "
            "where action = 'UPDATE' and entity = 'ProductColorStock'"
        ).fetchone()
    assert kept is not None
    assert moved == Record(
        id=kept[0],
        recorded_at=kept[1],
        transaction_id=kept[2],
        user_id=user_id(kept_shop.clone, Role.MANAGER),
        username="manager@example.com",
        user_name="Manager Rao",
        action="UPDATE",
        entity="ProductColorStock",
        entity_id=kept_shop.red,
        parent_id=kept_shop.product,
        old_values={"quantity": 0},
        new_values={"quantity": 20},
        operation="record goods in",
        reason=None,
        source="page",
        request=None,
        session_id=kept[3],
        database_role="backstitch_app",
        application="backstitch",
        address="192.0.2.7",
        user_agent=None,
        label="AN201 · Red · M",
    )


def test_money_keeps_its_digits(shop: Shop) -> None:
    shop.run("update inventory.products set unit_price = 599.90", reason="test")
    values = shop.found(entities=("Product",))[0]
    assert (str((values.old_values or {})["unit_price"]), str((values.new_values or {})["unit_price"])) == (
        "549.00",
        "599.90",
    )


def test_pages_by_key_give_every_record_once_while_new_ones_arrive(shop: Shop) -> None:
    everything = [record.id for record in shop.found()]
    paged: list[int] = []
    before = None
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        filters = around_now()
    while True:
        with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
            page = search.search(connection, filters=filters, size=4, before=before)
        paged += [record.id for record in page.records]
        shop.run("update inventory.products set reorder_level = reorder_level + 1")
        if page.next_cursor is None:
            break
        before = page.next_cursor
    assert paged == everything


def test_records_of_one_statement_share_their_time_and_are_paged_by_id(shop: Shop) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER)) as connection:
        received = {"product": shop.product, "quantity": 1, "stakeholder": "Arvind Mills"}
        connection.execute(NEW_INWARD, [received] * 7)
    filters = around_now(entities=("InwardLog",))
    with shop.clone.superuser() as superuser:
        superuser.execute("update audit.records set recorded_at = now() where entity = 'InwardLog'")
    paged: list[int] = []
    before = None
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        for _ in range(4):
            page = search.search(connection, filters=filters, size=2, before=before)
            paged += [record.id for record in page.records]
            before = page.next_cursor
    assert (len(paged), before) == (8, None)
    assert paged == sorted(paged, reverse=True)


def test_a_page_that_ends_with_the_last_record_has_no_next(kept_shop: Shop) -> None:
    everything = kept_shop.found()
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        page = search.search(connection, filters=around_now(), size=len(everything))
    assert (list(page.records), page.next_cursor) == (everything, None)


def test_nothing_found_is_an_empty_page(kept_shop: Shop) -> None:
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        filters = around_now(text="no such thing")
        assert search.search(connection, filters=filters) == search.Page([], None)
        assert search.count(connection, filters=filters) == 0


def test_the_range_includes_its_start_and_not_its_end(kept_shop: Shop) -> None:
    newest, *_ = kept_shop.found()
    at = newest.recorded_at
    assert newest not in kept_shop.found(end=at)
    assert kept_shop.found(start=at, end=at + timedelta(microseconds=1)) == [newest]


def test_a_search_reaches_over_the_partitions_of_months(clone: Clone) -> None:
    shop = open_shop(clone)
    put_into_the_past(clone, days=70)
    shop.run("update inventory.products set name = 'Leggings new'")
    with clone.superuser() as connection:
        months = connection.execute("select count(distinct tableoid) from audit.records").fetchone()
    assert months == (2,)
    start = datetime.now(UTC) - timedelta(days=400)
    manager = (user_id(clone, Role.MANAGER),)
    assert actions_and_labels(shop.found(start=start, user_ids=manager, size=3)) == [
        ("UPDATE", "Product AN201 Leggings new"),
        ("UPDATE", "AN201 · Red · M"),
        ("CREATE", f"Inward {shop.inward} · AN201 · Red · M"),
    ]
    assert len(shop.found(start=start, user_ids=manager)) == 8


def test_a_record_from_the_future_is_found_too(shop: Shop) -> None:
    with shop.clone.superuser() as connection:
        connection.execute("update audit.records set recorded_at = now() + interval '1 hour' where entity = 'Product'")
    assert actions_and_labels(shop.found(size=1)) == [("CREATE", "Product AN201 Leggings")]


def test_a_count_stops_one_past_its_cap(kept_shop: Shop) -> None:
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        everything = search.count(connection, filters=around_now())
        assert everything == len(kept_shop.found())
        assert search.count(connection, filters=around_now(), cap=3) == 4


def test_filters_combine(shop: Shop) -> None:
    shop.run("update inventory.products set name = 'Analysed'", role=Role.ADMIN)
    admin, manager = user_id(shop.clone, Role.ADMIN), user_id(shop.clone, Role.MANAGER)
    assert actions_and_labels(shop.found(user_ids=(admin,), entities=("Product",))) == [
        ("UPDATE", "Product AN201 Analysed")
    ]
    assert actions_and_labels(
        shop.found(user_ids=(manager, admin), entities=("Product",), actions=("CREATE", "DELETE"))
    ) == [("CREATE", "Product AN201 Analysed")]


def test_system_is_a_choice_beside_the_users_and_is_no_failed_sign_in(shop: Shop) -> None:
    browser = sessions.Browser("other browser")
    typed = {"email": "meena@example.com", "password": PASSWORD}
    assert not sessions.sign_in(shop.clone.app, **typed, browser=browser, lifetime=timedelta(hours=1))
    with shop.clone.superuser() as connection:
        connection.execute("update inventory.products set name = 'By hand'")
    by_hand = shop.found(include_system=True, entities=("Product",))
    assert [(record.username, record.database_role, record.application) for record in by_hand] == [
        ("system", "postgres", "psql")
    ]
    assert shop.found(include_system=True, actions=("LOGIN_FAILED",)) == []
    both = shop.found(include_system=True, user_ids=(user_id(shop.clone, Role.MANAGER),), entities=("Product",))
    assert [record.username for record in both] == ["system", "manager@example.com"]


def test_a_failed_sign_in_is_named_after_what_was_typed(shop: Shop) -> None:
    browser = sessions.Browser("other browser", "203.0.113.9")
    typed = {"email": "=cmd()@example.com", "password": PASSWORD}
    sessions.sign_in(shop.clone.app, **typed, browser=browser, lifetime=timedelta(hours=1))
    failed = shop.found(actions=("LOGIN_FAILED",))[0]
    assert (failed.label, failed.username, failed.address) == (
        "User =cmd()@example.com",
        "=cmd()@example.com",
        str(ipaddress.ip_address("203.0.113.9")),
    )


def test_users_and_sessions_are_named_by_the_address(kept_shop: Shop) -> None:
    labels = {record.label for record in kept_shop.found(entities=("User", "Session"))}
    assert {f"User {email_of(role)}" for role in Role} <= labels
    assert {f"Session of {email_of(role)}" for role in Role} <= labels


def test_a_product_filter_finds_the_product_and_its_parts_only(shop: Shop) -> None:
    # A session whose user has the number of the product is no part of it.
    other = new_product(shop.clone, sku="AN999", name="Kurta")
    found = shop.found(product_id=shop.product)
    assert len(found) == 7
    assert {record.entity for record in found} == {"Product", "ProductColor", "ProductColorStock", "InwardLog"}
    assert actions_and_labels(shop.found(product_id=other)) == [("CREATE", "Product AN999 Kurta")]


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        ("arvind", ["Inward 1 · AN201 · Red · M"]),
        ("ARVIND MILLS", ["Inward 1 · AN201 · Red · M"]),
        ("  arvind  ", ["Inward 1 · AN201 · Red · M"]),
        ("nvy", ["AN201 · Navy · M", "AN201 · Navy"]),
        ("549.00", ["Product AN201 Leggings"]),
        ("%", []),
        ("_rvind", []),
        ("stakeholder_name", []),
        ("\x00", []),
        ("' or true --", []),
    ],
)
def test_text_is_found_in_values_case_blind_and_means_itself(kept_shop: Shop, wanted: str, labels: list[str]) -> None:
    manager = (user_id(kept_shop.clone, Role.MANAGER),)
    assert [record.label for record in kept_shop.found(text=wanted, user_ids=manager)] == labels


def test_text_with_characters_that_jsonb_escapes_is_found_in_old_and_new_values(shop: Shop) -> None:
    for value in ('12" waist', "back\\slash", "50%_off", "two\nlines", "नमस्ते", "é"):
        shop.run("update inventory.products set description = :value", value=value)
        shop.run("update inventory.products set description = ''")
        assert actions_and_labels(shop.found(text=value)) == [("UPDATE", "Product AN201 Leggings")] * 2


def test_text_inside_a_list_is_found(shop: Shop) -> None:
    shop.run('update inventory.products set allowed_stores = \'{Pune,"Big ""B"" Bazaar"}\''.replace('""', '\\"'))
    assert actions_and_labels(shop.found(text='big "b"')) == [("UPDATE", "Product AN201 Leggings")]


def test_text_is_found_in_the_reason_and_in_the_user(shop: Shop) -> None:
    shop.run("update inventory.products set reorder_level = 3", reason="Counted by Vikram")
    assert actions_and_labels(shop.found(text="vikram")) == [("UPDATE", "Product AN201 Leggings")]
    assert len(shop.found(text="manager rao", entities=("InwardLog",))) == 1
    assert len(shop.found(text="MANAGER@example", entities=("InwardLog",))) == 1


def test_the_sku_or_name_of_a_product_finds_its_parts(shop: Shop) -> None:
    new_product(shop.clone, sku="AN999", name="Kurta")
    assert [len(shop.found(text=wanted)) for wanted in ("an201", "legg")] == [7, 7]


def delete_the_shop(shop: Shop) -> None:
    shop.run("delete from inventory.inward_logs")
    shop.run("delete from inventory.product_color_stocks")
    shop.run("delete from inventory.product_colors")
    shop.run("delete from inventory.products")


def test_deleted_records_keep_their_labels(shop: Shop) -> None:
    before = actions_and_labels(shop.found(product_id=shop.product))
    delete_the_shop(shop)
    after = actions_and_labels(shop.found(product_id=shop.product))
    assert after[-7:] == before
    assert after[:7] == [
        ("DELETE", "Product AN201 Leggings"),
        ("DELETE", "AN201 · Navy"),
        ("DELETE", "AN201 · Red"),
        ("DELETE", "AN201 · Red · M"),
        ("DELETE", "AN201 · Navy · M"),
        ("UPDATE", "AN201 · Red · M"),
        ("DELETE", f"Inward {shop.inward} · AN201 · Red · M"),
    ]


def test_an_update_of_a_deleted_record_is_named_from_the_trail_alone(shop: Shop) -> None:
    delete_the_shop(shop)
    updates = shop.found(actions=("UPDATE",), entities=("ProductColorStock",))
    assert actions_and_labels(updates) == [("UPDATE", "AN201 · Red · M")] * 2


def test_the_sku_of_a_deleted_product_still_finds_its_parts(shop: Shop) -> None:
    delete_the_shop(shop)
    assert len(shop.found(text="an201", entities=("InwardLog",))) == 2


def test_labels_are_read_per_page_not_per_record(shop: Shop) -> None:
    with shop.clone.app.transaction(shop.clone.actor(Role.MANAGER)) as connection:
        for quantity in range(1, 41):
            received = {"product": shop.product, "quantity": quantity, "stakeholder": "Arvind Mills"}
            connection.execute(NEW_INWARD, received)
    assert statements_of_a_page(shop, size=2) == statements_of_a_page(shop, size=50)


def statements_of_a_page(shop: Shop, *, size: int) -> int:
    statements = []
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        original = connection.execute

        def counted(*arguments: Any, **options: Any) -> Any:
            statements.append(arguments[0])
            return original(*arguments, **options)

        connection.execute = counted  # type: ignore[method-assign]
        filters = around_now(entities=("InwardLog", "ProductColorStock"))
        assert len(search.search(connection, filters=filters, size=size).records) == size
    return len(statements)


def test_one_record_is_found_by_its_key(kept_shop: Shop) -> None:
    wanted = kept_shop.found()[2]
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        assert search.record(connection, id=wanted.id, recorded_at=wanted.recorded_at) == wanted
        assert search.record(connection, id=wanted.id, recorded_at=wanted.recorded_at + timedelta(1)) is None


def test_the_records_of_a_transaction_are_found_from_any_of_them(kept_shop: Shop) -> None:
    moved, received, *_ = kept_shop.found()
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        assert same_transaction(connection, received).records == [moved, received]
        first = same_transaction(connection, moved, size=1)
        assert (first.records, first.next_cursor) == ([moved], moved.cursor)
        rest = same_transaction(connection, moved, size=1, before=first.next_cursor)
        assert (rest.records, rest.next_cursor) == ([received], None)


def test_a_transaction_of_the_same_number_months_ago_is_another_one(shop: Shop) -> None:
    moved, *_ = shop.found()
    with shop.clone.superuser() as connection:
        connection.execute("select audit.make_partitions((now() - interval '70 days')::date)")
        connection.execute(
            "update audit.records set recorded_at = recorded_at - interval '70 days' where entity = 'InwardLog'"
        )
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        assert same_transaction(connection, moved).records == [moved]


def test_a_history_is_that_of_one_record(kept_shop: Shop) -> None:
    with kept_shop.clone.app.read(kept_shop.clone.actor(Role.ANALYST)) as connection:
        page = search.history(connection, entity="ProductColorStock", entity_id=kept_shop.red)
        assert actions_and_labels(list(page.records)) == [("UPDATE", "AN201 · Red · M"), ("CREATE", "AN201 · Red · M")]
        assert search.history(connection, entity="ProductColorStock", entity_id=0).records == []


def test_people_are_all_users_by_name(clone: Clone) -> None:
    with clone.superuser() as connection:
        connection.execute("update accounts.users set is_active = false where role = 'viewer'")
    with clone.app.read(clone.actor(Role.MANAGER)) as connection:
        assert [(person.name, person.email) for person in search.people(connection)] == [
            ("Admin Rao", "admin@example.com"),
            ("Analyst Rao", "analyst@example.com"),
            ("Manager Rao", "manager@example.com"),
            ("Viewer Rao", "viewer@example.com"),
        ]


def test_a_manager_sees_the_inventory_and_of_accounts_his_own_doings_only(shop: Shop) -> None:
    assert shop.found(role=Role.MANAGER) == [
        record for record in shop.found(role=Role.ANALYST) if record.entity not in {"User", "Session"}
    ]
    browser = sessions.Browser("second browser")
    typed = {"email": email_of(Role.MANAGER), "password": PASSWORD}
    assert sessions.sign_in(shop.clone.app, **typed, browser=browser, lifetime=timedelta(hours=1))
    assert actions_and_labels(shop.found(role=Role.MANAGER, entities=("User", "Session"))) == [
        ("LOGIN", "User manager@example.com"),
        ("CREATE", "Session of manager@example.com"),
    ]


@pytest.mark.parametrize("wanted", ["viewer@example.com", "Viewer Rao"])
def test_a_manager_cannot_search_for_what_he_may_not_see(kept_shop: Shop, wanted: str) -> None:
    assert kept_shop.found(role=Role.MANAGER, text=wanted) == []
    assert kept_shop.found(role=Role.ANALYST, text=wanted) != []


def test_a_viewer_is_refused(kept_shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        kept_shop.found(role=Role.VIEWER)
    assert refused.value.rule == "42501"


def test_days_and_instants_are_known_by_the_names_of_their_columns(kept_clone: Clone) -> None:
    with kept_clone.superuser() as psql:
        columns = psql.execute(
            "select c.name, c.type from audit.watched_tables w, jsonb_to_recordset(w.columns) c (name text, type text)"
        ).fetchall()
    for holds, of_type in ((wording.holds_day, "date"), (wording.holds_instant, "timestamp with time zone")):
        assert {name for name, _ in columns if holds(name)} == {name for name, type in columns if type == of_type}
