"""The data behind the charts: complete days and hours, names, and the filters of the table."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from backstitch.accounts.permissions import Role
from backstitch.audit import chart_file, charts
from backstitch.audit.search import Filters
from backstitch.errors import Refused
from tests.conftest import Clone
from tests.db.audit.shop import Shop, around_now, open_shop

INDIA = ZoneInfo("Asia/Kolkata")
OCTOBER = Filters(datetime(2026, 10, 1, tzinfo=INDIA), datetime(2026, 11, 1, tzinfo=INDIA))
# One minute before and after midnight in India; both are the 4th of October in UTC.
SUNDAY_LATE = "2026-10-04 18:29:00+00"
MONDAY_EARLY = "2026-10-04 18:31:00+00"


@pytest.fixture
def shop(clone: Clone) -> Shop:
    return open_shop(clone)


@pytest.fixture
def october(shop: Shop) -> Shop:
    """The shop, whose product was added late on Sunday the 4th and whose cells on Monday the 5th."""
    with shop.clone.superuser() as connection:
        connection.execute("select audit.make_partitions('2026-10-01', 1)")
        for entity, moment in (("Product", SUNDAY_LATE), ("ProductColorStock", MONDAY_EARLY)):
            connection.execute(
                "update audit.records set recorded_at = %s where entity = %s and action <> 'MAINTENANCE'",
                [moment, entity],
            )
    return shop


def rows(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(frame.itertuples(index=False, name=None))


def by_day(shop: Shop, filters: Filters, now: datetime) -> pd.DataFrame:
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        return charts.by_day(connection, filters=filters, zone=INDIA, now=now)


def test_the_figures_of_all_charts_are_one_file_on_the_record_and_refused_to_roles_that_may_not_export(
    october: Shop,
) -> None:
    database, clone = october.clone.app, october.clone
    content = chart_file.export(database, clone.actor(Role.ANALYST), user=1, filters=OCTOBER, zone=INDIA)
    table = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", keep_default_na=False, dtype=str)
    assert list(table) == ["Chart", "Day", "Action", "User", "Record type", "Field", "Weekday", "Hour", "Records"]
    busy = table[table["Records"] != "0"].to_numpy().tolist()
    assert busy[:4] == [
        ["Records by day and action", "2026-10-04", "Added", "", "", "", "", "", "1"],
        ["Records by day and action", "2026-10-05", "Added", "", "", "", "", "", "2"],
        ["Records by day and action", "2026-10-05", "Changed", "", "", "", "", "", "1"],
        ["Records by user", "", "", "Manager Rao", "", "", "", "", "4"],
    ]
    assert busy[-1] == ["Records by hour and weekday", "", "", "", "", "", "Sun", "23", "1"]
    assert dict(table["Chart"].value_counts(sort=False)) == {
        "Records by day and action": 62,
        "Records by user": 1,
        "Most edited fields": 1,
        "Records by record type": 2,
        "Records by hour and weekday": 168,
    }
    with clone.superuser() as connection:
        ((user, operation, entity, details),) = connection.execute(
            "select username, operation, entity, new_values from audit.trail where action = 'EXPORT'"
        ).fetchall()
    assert (user, operation, entity) == ("analyst@example.com", "export chart figures", "AuditReport")
    assert (details["rows"], details["bytes"]) == (234, len(content))
    assert details["sha256"] == hashlib.sha256(content).hexdigest()
    assert details["file_name"] == "backstitch_charts_2026-10-01_to_2026-10-31_IST.csv"
    with pytest.raises(Refused) as refused:
        chart_file.export(database, clone.actor(Role.VIEWER), user=1, filters=OCTOBER, zone=INDIA)
    assert refused.value.rule == "42501"


def test_days_are_those_of_the_zone_and_days_without_activity_are_zero(october: Shop) -> None:
    frame = by_day(october, OCTOBER, datetime(2026, 11, 23, tzinfo=UTC))
    busy = frame[frame["records"] > 0]
    assert rows(busy) == [
        (pd.Timestamp("2026-10-04"), "Added", 1),
        (pd.Timestamp("2026-10-05"), "Added", 2),
        (pd.Timestamp("2026-10-05"), "Changed", 1),
    ]
    assert (len(frame), frame["day"].nunique(), set(frame["action"])) == (62, 31, {"Added", "Changed"})
    assert frame["day"].is_monotonic_increasing


def test_days_that_have_not_begun_are_left_out(october: Shop) -> None:
    now = datetime(2026, 10, 9, 18, 29, tzinfo=UTC)
    assert by_day(october, OCTOBER, now)["day"].max() == pd.Timestamp("2026-10-09")
    assert by_day(october, OCTOBER, now + timedelta(minutes=1))["day"].max() == pd.Timestamp("2026-10-10")


def test_nothing_found_is_an_empty_table_with_its_columns(shop: Shop) -> None:
    nothing = around_now(text="no such thing")
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        frames = [
            charts.by_day(connection, filters=nothing, zone=INDIA, now=datetime.now(UTC)),
            charts.by_user(connection, filters=nothing),
            charts.by_record_type(connection, filters=nothing),
            charts.most_edited_fields(connection, filters=nothing),
        ]
    assert [(list(frame.columns), len(frame)) for frame in frames] == [
        (["day", "action", "records"], 0),
        (["user", "records"], 0),
        (["record_type", "records"], 0),
        (["record_type", "field", "records"], 0),
    ]


def test_hours_and_weekdays_are_complete_and_those_of_the_zone(october: Shop) -> None:
    with october.clone.app.read(october.clone.actor(Role.ANALYST)) as connection:
        frame = charts.by_hour_and_weekday(connection, filters=OCTOBER, zone=INDIA)
    assert len(frame) == len(frame[["weekday", "hour"]].drop_duplicates()) == 7 * 24
    assert rows(frame[frame["records"] > 0]) == [("Mon", 0, 3), ("Sun", 23, 1)]


def test_users_are_named_and_namesakes_told_apart(shop: Shop) -> None:
    shop.run("update accounts.users set name = 'Manager Rao' where role = 'viewer'", role=Role.ADMIN)
    with shop.clone.superuser() as connection:
        connection.execute("update inventory.products set name = 'By hand'")
        connection.execute(
            "update audit.records set user_id = (select id from accounts.users where role = 'viewer') "
            "where entity = 'InwardLog'"
        )
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        frame = charts.by_user(
            connection,
            filters=around_now(entities=("Product", "InwardLog", "ProductColor"), actions=("CREATE", "UPDATE")),
        )
    assert rows(frame) == [
        ("Manager Rao (manager@example.com)", 3),
        ("system", 1),
        ("Manager Rao (viewer@example.com)", 1),
    ]


def test_more_than_20_users_are_20_and_others(shop: Shop) -> None:
    with shop.clone.superuser() as psql:  # as a failed sign-in records them, without its 25 times bcrypt
        psql.execute(
            "select audit.write_activity(jsonb_populate_record(null::audit.actor, "
            '\'{"database_role": "x", "source": "SQL"}\'), '
            "'LOGIN_FAILED', 'User', null, jsonb_build_object('username', "
            "audit.keep_personal('User', null, null, 'username', to_jsonb(format('guess%s@example.com', n))))) "
            "from generate_series(10, 34) n"
        )
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        frame = charts.by_user(connection, filters=around_now(actions=("LOGIN_FAILED",)))
    assert rows(frame) == [(f"guess{number}@example.com", 1) for number in range(10, 30)] + [("Others", 5)]


def test_record_types_are_counted_most_first(shop: Shop) -> None:
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        frame = charts.by_record_type(connection, filters=around_now(product_id=shop.product))
    assert rows(frame) == [("Stock cell", 3), ("Colour", 2), ("Inward entry", 1), ("Product", 1)]


def test_the_most_edited_fields_are_those_of_updates(shop: Shop) -> None:
    shop.run("update inventory.products set name = 'New', unit_price = 1", reason="test")
    shop.run("update inventory.products set unit_price = 2", reason="test")
    with shop.clone.app.read(shop.clone.actor(Role.ANALYST)) as connection:
        frame = charts.most_edited_fields(connection, filters=around_now())
    assert rows(frame) == [("Product", "Unit price", 2), ("Product", "Name", 1), ("Stock cell", "Quantity", 1)]


def test_charts_show_a_manager_what_he_may_see(shop: Shop) -> None:
    with shop.clone.app.read(shop.clone.actor(Role.MANAGER)) as connection:
        frame = charts.by_record_type(connection, filters=around_now())
    assert set(frame["record_type"]) == {"Stock cell", "Colour", "Inward entry", "Product", "Reason policy"}
