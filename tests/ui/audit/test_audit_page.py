"""The Audit report: filters by hand and from the URL, pages, charts, and the records that each role sees."""

import itertools
import json
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from backstitch.accounts.permissions import Role
from backstitch.audit import wording
from tests.ui.conftest import Open
from tests.ui.shop import Shop, click, run, sentences

WITHOUT = ", which is not known by that name. The report is shown without it."
NOTHING = "Nothing is on the record for these filters. Widen the period, or clear a filter."


@pytest.fixture
def product(shop: Shop) -> int:
    """AN201 with goods in and out, and another product beside it."""
    product_id = shop.product(sizes=["S"], colours=["Red"])
    shop.receive(product_id, S=5)
    shop.sell(product_id, S=1)
    shop.product("KT-1", "Kurta", sizes=["M"], colours=[])
    return product_id


def rows(tab: AppTest, *columns: str) -> list[tuple[Any, ...]]:
    table = tab.dataframe[0].value
    return list(table[list(columns)].itertuples(index=False, name=None))


def counted(tab: AppTest) -> str:
    return str(tab.markdown[0].value)


OF_AN201 = [
    ("Changed", "Stock cell", "AN201 · Red · S", "Quantity 5 → 4 (−1)"),
    ("Added", "Sales entry", "Sale 1 · AN201 · Red · S", "Quantity 1, to Bandra"),
    ("Changed", "Stock cell", "AN201 · Red · S", "Quantity 0 → 5 (+5)"),
    ("Added", "Inward entry", "Inward 1 · AN201 · Red · S", "Quantity 5, Supply from Mill"),
    ("Added", "Stock cell", "AN201 · Red · S", "Quantity 0"),
    ("Added", "Colour", "AN201 · Red", "Colour Red, Colour code RED"),
    ("Added", "Product", "Product AN201 Leggings", "₹549.00, sizes S"),
]


def test_the_report_lists_changes_with_names_newest_first(open_page: Open, product: int) -> None:
    tab = open_page("audit", Role.MANAGER, product="AN201 · Leggings")
    assert counted(tab) == "**7** records · times in Asia/Kolkata"
    assert rows(tab, "action", "type", "record", "change") == OF_AN201
    assert set(rows(tab, "user", "operation", "client", "reason")) == {
        ("Manager Rao", "seed", "Browser, 192.0.2.7", "")
    }
    assert sentences(tab.caption) == [wording.hidden_from_managers(), "1 to 7 of 7, newest first"]
    # Not the abbreviation of the zone, which may differ between today and half a year ago.
    assert json.loads(tab.dataframe[0].proto.columns)["time"]["label"] == "Time (Asia/Kolkata)"


# --- roles ------------------------------------------------------------------------------------------------


def test_a_manager_sees_the_inventory_and_himself_but_not_the_accounts_of_others(open_page: Open, product: int) -> None:
    manager = set(rows(open_page("audit", Role.MANAGER, period="All time"), "type", "record"))
    assert {record for type, record in manager if type in {"User", "Session"}} <= {
        "User manager@example.com",
        "Session of manager@example.com",
    }
    assert ("Product", "Product AN201 Leggings") in manager


@pytest.mark.parametrize("role", [Role.ADMIN, Role.ANALYST])
def test_admins_and_analysts_see_the_accounts_of_everybody(open_page: Open, product: int, role: Role) -> None:
    found = rows(open_page("audit", role, type="User"), "action", "record", "user")
    assert sorted(record for action, record, user in found if action == "Added" and user == "system") == [
        "User admin@example.com",
        "User analyst@example.com",
        "User manager@example.com",
        "User viewer@example.com",
    ]


# --- filters ----------------------------------------------------------------------------------------------


def test_the_filters_offer_labels_and_every_product_also_a_deactivated_one(
    open_page: Open, shop: Shop, product: int
) -> None:
    shop.run("update inventory.products set is_active = false where sku = 'KT-1'")
    tab = open_page("audit", Role.ANALYST)
    assert tab.selectbox(key="period").options == [
        "Last 7 days",
        "Today",
        "Yesterday",
        "Last 30 days",
        "This month",
        "Last month",
        "This financial year",
        "Last financial year",
        "All time",
        "Custom",
    ]
    assert tab.selectbox(key="period").value == "Last 7 days"
    assert tab.selectbox(key="product").options == ["All products", "AN201 · Leggings", "KT-1 · Kurta"]
    assert tab.multiselect(key="user").options == ["Admin Rao", "Analyst Rao", "Manager Rao", "Viewer Rao", "System"]
    assert tab.multiselect(key="action").options[:3] == ["Added", "Changed", "Deleted"]
    assert tab.multiselect(key="type").options[:3] == ["Product", "Colour", "Stock cell"]


CASES: dict[str, tuple[dict[str, str | list[str]], list[int]]] = {
    "product": ({}, [0, 1, 2, 3, 4, 5, 6]),
    "an action": ({"action": "Changed"}, [0, 2]),
    "a type": ({"type": "Sales entry"}, [1]),
    "two types": ({"type": ["Sales entry", "Inward entry"]}, [1, 3]),
    "a user": ({"user": "Manager Rao"}, [0, 1, 2, 3, 4, 5, 6]),
    "another user": ({"user": "Admin Rao"}, []),
    "the system": ({"user": "System"}, []),
    "today": ({"period": "Today"}, [0, 1, 2, 3, 4, 5, 6]),
    "yesterday": ({"period": "Yesterday"}, []),
    "a store": ({"text": "bandra"}, [1]),
    "a text of no record": ({"text": "100%_\\"}, []),
    "several at once": ({"action": "Added", "type": ["Stock cell", "Product"], "text": "an201"}, [4, 6]),
}


@pytest.mark.parametrize(("query", "found"), CASES.values(), ids=list(CASES))
def test_a_link_carries_every_filter(
    open_page: Open, product: int, query: dict[str, str | list[str]], found: list[int]
) -> None:
    tab = open_page("audit", Role.ANALYST, product="AN201 · Leggings", **query)
    if not found:
        assert [info.value for info in tab.info] == [NOTHING]
        assert counted(tab) == "**0** records · times in Asia/Kolkata"
        assert not tab.dataframe and not tab.tabs
        assert [link.disabled for link in tab.link_button] == [True, True]
    else:
        assert rows(tab, "action", "type", "record", "change") == [OF_AN201[row] for row in found]
        plural = "" if len(found) == 1 else "s"
        assert counted(tab) == f"**{len(found)}** record{plural} · times in Asia/Kolkata"


def test_filters_chosen_by_hand_narrow_the_report(open_page: Open, product: int) -> None:
    tab = open_page("audit", Role.ANALYST)
    tab.selectbox(key="period").set_value("Today")
    tab.selectbox(key="product").set_value(product)
    tab.multiselect(key="action").set_value(["CREATE"])
    tab.multiselect(key="type").set_value(["InwardLog", "SalesLog"])
    tab.text_input(key="text").set_value("an201")
    run(tab)
    assert rows(tab, "type") == [("Sales entry",), ("Inward entry",)]


def test_clear_all_goes_back_to_the_default_report(open_page: Open, product: int) -> None:
    tab = open_page(
        "audit", Role.ANALYST, period="Today", product="AN201 · Leggings", action="Added", user="Manager Rao", text="x"
    )
    click(tab, "audit_clear")
    assert (tab.selectbox(key="period").value, tab.selectbox(key="product").value) == ("Last 7 days", 0)
    assert [box.value for box in tab.multiselect] == [[], [], []]
    assert tab.text_input(key="text").value == ""
    assert len(rows(tab, "time")) == len(rows(open_page("audit", Role.ANALYST), "time"))


def test_a_link_with_unknown_filters_shows_the_report_without_them_and_warns(open_page: Open, product: int) -> None:
    wrong = {"period": "Some day", "user": ["Nobody", "Admin Rao"], "action": "CREATE", "type": "Spaceship"}
    tab = open_page("audit", Role.MANAGER, **wrong, product="1")
    assert not tab.error
    assert [sentence.removesuffix(WITHOUT) for sentence in sentences(tab.warning)] == [
        "The link asks for the period “Some day”",
        "The link asks for the user “Nobody”",
        "The link asks for the action “CREATE”",
        "The link asks for the record type “Spaceship”",
        "The link asks for the product “1”",
    ]
    assert (tab.selectbox(key="period").value, tab.multiselect(key="user").value) == ("Last 7 days", [1])
    assert len(run(tab).warning) == 5
    tab.multiselect(key="user").set_value([])
    assert len(run(tab).warning) == 4 and not click(tab, "audit_clear").warning


def test_two_users_with_the_same_name_are_shown_with_their_emails(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("update accounts.users set name = 'Manager Rao' where role = 'viewer'")
    tab = open_page("audit", Role.ANALYST, user="Manager Rao (viewer@example.com)")
    assert tab.multiselect(key="user").options == [
        "Admin Rao",
        "Analyst Rao",
        "Manager Rao (manager@example.com)",
        "Manager Rao (viewer@example.com)",
        "System",
    ]
    assert [info.value for info in tab.info] == [NOTHING]


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (None, None, "Choose the first and the last day."),
        (date(2026, 11, 1), None, "Choose the first and the last day."),
        (date(2026, 11, 2), date(2026, 11, 1), "The first day is after the last; swap them."),
    ],
    ids=["no day", "no last day", "the wrong way round"],
)
def test_an_incomplete_custom_period_says_what_is_missing(
    open_page: Open, product: int, first: date | None, last: date | None, sentence: str
) -> None:
    tab = open_page("audit", Role.ANALYST)
    tab.selectbox(key="period").set_value("Custom")
    run(tab)
    tab.date_input(key="from").set_value(first)
    tab.date_input(key="to").set_value(last)
    run(tab)
    assert [info.value for info in tab.info] == [sentence]
    assert not tab.dataframe and not tab.link_button


def test_a_custom_period_holds_both_its_days_in_the_zone_of_the_business(
    open_page: Open, shop: Shop, product: int
) -> None:
    # 23:59:59 on 1 November and 00:00:00 on 3 November in Kolkata.
    shop.run("select audit.make_partitions('2026-10-01', 3)")
    for entity, moment in (("InwardLog", "2026-11-01T18:29:59Z"), ("SalesLog", "2026-11-02T18:30:00Z")):
        moved = "update audit.records set recorded_at = %s where entity = %s and action = 'CREATE'"
        shop.run(moved, moment, entity)
    days = {"from": "2026-11-01", "to": "2026-11-02", "period": "Custom"}
    tab = open_page("audit", Role.ANALYST, **days)
    assert rows(tab, "type", "time") == [("Inward entry", pd.Timestamp("2026-11-01 23:59:59"))]
    tab.date_input(key="to").set_value(date(2026, 11, 3))
    assert rows(run(tab), "type") == [("Sales entry",), ("Inward entry",)]


def test_the_downloads_carry_the_filters_of_the_screen(open_page: Open, shop: Shop, product: int) -> None:
    shop.sell(product, S=1, store="Bandra & Co #1")
    tab = open_page("audit", Role.ANALYST, product="AN201 · Leggings", action="Added", text="Bandra & Co #1")
    for link, ending in zip(tab.link_button, ("csv", "xlsx"), strict=True):
        url = urlsplit(link.url)
        query = parse_qs(url.query)
        assert url.path == f"/api/v1/audit/export.{ending}" and not link.disabled
        assert (query["action"], query["product"], query["text"]) == (["CREATE"], [str(product)], ["Bandra & Co #1"])
        assert set(query) == {"start", "end", "action", "product", "text"}


# --- pages ------------------------------------------------------------------------------------------------


@pytest.fixture
def many(shop: Shop, product: int) -> int:
    """130 changes of a price in one transaction, so that their times are equal."""
    shop.run(
        "do $$ begin for n in 1..130 loop update inventory.products set unit_price = 1000 + n where sku = 'AN201'; "
        "end loop; end $$"
    )
    return 130


def test_older_and_newer_turn_the_pages_without_a_gap(open_page: Open, many: int) -> None:
    tab = open_page("audit", Role.ANALYST, type="Product", action="Changed")
    seen = rows(tab, "change")
    assert [caption.value for caption in tab.caption] == ["1 to 50 of 130, newest first"]
    with pytest.raises(KeyError):
        tab.button(key="audit_newer")
    seen += rows(click(tab, "audit_older"), "change")
    assert [caption.value for caption in tab.caption] == ["51 to 100 of 130, newest first"]
    seen += rows(click(tab, "audit_older"), "change")
    assert [caption.value for caption in tab.caption] == ["101 to 130 of 130, newest first"]
    with pytest.raises(KeyError):
        tab.button(key="audit_older")
    prices = [549, *(1000 + n for n in range(1, 131))]
    assert seen[::-1] == [
        (f"Unit price ₹{old:,.2f} → ₹{new:,.2f} (+₹{new - old:,.2f})",) for old, new in itertools.pairwise(prices)
    ]
    assert rows(click(tab, "audit_newer"), "change") == seen[50:100]


def test_a_changed_filter_or_page_size_starts_at_the_newest_again(open_page: Open, many: int) -> None:
    tab = click(open_page("audit", Role.ANALYST, type="Product"), "audit_older")
    tab.multiselect(key="action").set_value(["UPDATE"])
    assert [caption.value for caption in run(tab).caption] == ["1 to 50 of 130, newest first"]
    click(tab, "audit_older")
    tab.selectbox(key="audit_size").set_value(100)
    run(tab)
    assert [caption.value for caption in tab.caption] == ["1 to 100 of 130, newest first"]
    assert len(rows(tab, "time")) == 100


def test_a_count_beyond_the_cap_says_more_than(open_page: Open, shop: Shop, product: int) -> None:
    shop.run(
        "insert into audit.records (recorded_at, transaction_id, action, entity, source, database_role, new_values) "
        "select now(), 1, 'VERIFY', 'AuditReport', 'SQL', 'test', '{}' from generate_series(1, 10001)"
    )
    tab = open_page("audit", Role.ANALYST)
    assert counted(tab) == "**more than 10,000** records · times in Asia/Kolkata"
    assert [caption.value for caption in tab.caption] == ["1 to 50 of more than 10,000, newest first"]


# --- charts -----------------------------------------------------------------------------------------------


UNDER_CHARTS = (
    "Days and hours in Asia/Kolkata. Today is not over yet. A click on the bar of a day, a user or a record type shows "
    "its records; the files above have all of them."
)


def charts(tab: AppTest) -> AppTest:
    tab.session_state["audit_view"] = "Charts"
    return run(tab)


def test_the_charts_have_the_filters_of_the_table(open_page: Open, product: int) -> None:
    tab = charts(open_page("audit", Role.ANALYST, product="AN201 · Leggings"))
    assert [heading.value for heading in tab.subheader] == [
        "Records by day and action",
        "Records by user",
        "Most edited fields",
        "Records by record type",
        "Records by hour and weekday",
    ]
    assert len(tab.get("vega_lite_chart")) == 5
    assert counted(tab) == "**7** records · times in Asia/Kolkata"
    assert [caption.value for caption in tab.caption] == [UNDER_CHARTS]
    assert [button.label for button in tab.get("download_button")] == ["Download the figures"]
    assert not tab.dataframe


def test_without_an_edit_the_charts_say_so(open_page: Open, product: int) -> None:
    tab = charts(open_page("audit", Role.ANALYST, product="AN201 · Leggings", action="Added"))
    assert [caption.value for caption in tab.caption] == [
        "No field was edited.",
        UNDER_CHARTS,
    ]
    assert len(tab.get("vega_lite_chart")) == 4


@pytest.mark.parametrize("period", ["Today", "Last 30 days", "This month", "This financial year", "All time"])
def test_the_charts_are_drawn_for_every_period(open_page: Open, product: int, period: str) -> None:
    tab = charts(open_page("audit", Role.ADMIN, period=period))
    assert len(tab.get("vega_lite_chart")) == 5 and not tab.error


def click_bar(tab: AppTest, index: int, **bar: str) -> AppTest:
    """The tab after a click on a bar of the chart with this index."""
    states = tab._tree.get_widget_states()
    states.widgets.add(
        id=tab.get("vega_lite_chart")[index].proto.id, string_value=json.dumps({"selection": {"clicked": [bar]}})
    )
    tab._run(states)
    assert not tab.exception
    return tab


def test_a_click_on_a_bar_narrows_the_report_and_shows_its_records(open_page: Open, shop: Shop, product: int) -> None:
    tab = click_bar(charts(open_page("audit", Role.ADMIN, product="AN201 · Leggings")), 3, type="Sales entry")
    assert rows(tab, "action", "type") == [("Added", "Sales entry")]
    assert dict(tab.query_params) == {"product": "AN201 · Leggings", "type": "Sales entry"}
    click_bar(charts(tab), 1, user="Manager Rao")
    assert (tab.multiselect(key="user").value, len(rows(tab, "time"))) == ([2], 1)
    click(tab, "audit_clear")
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    click_bar(charts(tab), 0, iso_day=today.isoformat(), action="Changed")
    assert [tab.selectbox(key="period").value, tab.date_input(key="from").value, tab.date_input(key="to").value] == [
        "Custom",
        today,
        today,
    ]
    assert set(rows(tab, "action")) == {("Changed",)}
    in_address = {"period": "Custom", "from": today.isoformat(), "to": today.isoformat(), "action": "Changed"}
    assert dict(run(tab).query_params) == in_address
    click_bar(charts(tab), 0, iso_day=today.isoformat(), action="Changed")
    assert dict(tab.query_params) == in_address
    click_bar(charts(tab), 1, user="Others")
    assert [toast.value for toast in tab.toast] == ["No filter has this bar alone."]
    assert len(tab.get("vega_lite_chart")) == 5


def test_every_bar_has_a_label_and_days_of_two_years_show_the_year(open_page: Open, shop: Shop, product: int) -> None:
    def spec(tab: AppTest, index: int) -> Any:
        return json.loads(tab.get("vega_lite_chart")[index].proto.spec)

    def day_format(tab: AppTest) -> str:
        return str(spec(tab, 0)["layer"][0]["encoding"]["x"]["axis"]["format"])

    tab = charts(open_page("audit", Role.ADMIN, period="Today"))
    assert day_format(tab) == "%d %b"
    for index in (1, 2, 3):
        drawn = spec(tab, index)
        assert drawn["height"] == {"step": 18} and drawn["encoding"]["y"]["axis"]["labelOverlap"] is False
    shop.run("select audit.make_partitions('2025-12-01', 1)")
    shop.run("update audit.records set recorded_at = '2025-12-31T12:00:00Z' where entity = 'SalesLog'")
    assert day_format(charts(open_page("audit", Role.ADMIN, period="All time"))) == "%d %b %Y"


def test_a_change_made_by_hand_in_psql_is_in_the_report_as_system(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("update inventory.products set unit_price = 1 where sku = 'AN201'")
    tab = open_page("audit", Role.ANALYST, user="System", product="AN201 · Leggings")
    assert rows(tab, "user", "action", "record", "change", "client") == [
        (
            "system",
            "Changed",
            "Product AN201 Leggings",
            "Unit price ₹549.00 → ₹1.00 (−₹548.00)",
            "postgres via psql, local",
        )
    ]


def test_the_default_period_is_seven_days_with_today(open_page: Open, shop: Shop, product: int) -> None:
    shop.run("select audit.make_partitions((now() - interval '40 days')::date, 3)")
    shop.run("update audit.records set recorded_at = now() - interval '8 days' where entity = 'SalesLog'")
    assert ("Sales entry",) not in rows(open_page("audit", Role.ANALYST), "type")
    assert ("Sales entry",) in rows(open_page("audit", Role.ANALYST, period="Last 30 days"), "type")


def test_an_operation_is_one_line_that_opens_to_its_records(open_page: Open, product: int) -> None:
    tab = open_page("audit", Role.MANAGER, product="AN201 · Leggings")
    tab.session_state["audit_view"] = "Operations"
    run(tab)
    assert rows(tab, "user", "gist", "records") == [
        ("Manager Rao", "CREATE sales entry", 2),
        ("Manager Rao", "CREATE inward entry", 2),
        ("Manager Rao", "CREATE product", 3),
    ]
