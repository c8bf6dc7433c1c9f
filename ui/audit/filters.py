"""The filters of the audit report; the URL holds all of them, so a user can send a report to a colleague."""

from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import streamlit as st
from sqlalchemy import Connection

from backstitch.audit import periods, search
from backstitch.audit.periods import Period
from backstitch.audit.search import Filters
from backstitch.inventory.products import queries as product_queries
from ui.shared import days, formats, links, session

Key = TypeVar("Key", bound=Hashable)

SYSTEM = 0  # the id of no user
ALL_PRODUCTS = 0  # nor of a product
# The default comes first: Streamlit logs a warning if code resets a widget whose default is another option.
PERIODS = [periods.DEFAULT.value, *(period.value for period in Period if period is not periods.DEFAULT)]
DEFAULTS: dict[str, object] = {
    "period": periods.DEFAULT.value,
    "from": None,
    "to": None,
    "user": [],
    "action": [],
    "type": [],
    "product": ALL_PRODUCTS,
    "text": "",
}
NOUNS = {"period": "period", "user": "user", "action": "action", "type": "record type", "product": "product"}
MULTISELECTS = ("user", "action", "type")


def clear() -> None:
    """Resets the report to its defaults. It sets the values: a widget without one would take its value from the URL."""
    for key, value in DEFAULTS.items():
        st.session_state[key] = value
    links.clear_unresolved()


def show_only(labels: Mapping[str, str]) -> None:
    """Filters the report by these labels alone, as a link with them would."""
    clear()
    narrow(labels)


def narrow(labels: Mapping[str, str]) -> bool:
    """Filters the report by a label per filter; changes nothing and returns False if a filter lacks its label."""
    options = choices()
    values = {
        key: value
        for key, label in labels.items()
        for value, option in options[key].items()
        if option.casefold() == label.casefold()
    }
    if values.keys() != labels.keys():
        return False
    for key, value in values.items():
        st.session_state[key] = [value] if key in MULTISELECTS else value
    return True


def narrow_to_day(day: date) -> None:
    """Filters the report to one day."""
    if st.session_state["period"] != Period.CUSTOM.value:
        # Streamlit does not write the value of a widget that was never drawn to the address.
        st.query_params.update({"from": day.isoformat(), "to": day.isoformat()})
    st.session_state["period"] = Period.CUSTOM.value
    st.session_state["from"] = st.session_state["to"] = day


def choices() -> dict[str, dict[Any, str]]:
    """The options of each filter: its values with their labels, which screen and links share."""
    with session.read() as connection:
        people = _people(connection)
        products = product_queries.product_choices(connection, inactive=True)
    return {
        "period": {period: period for period in PERIODS},
        "user": {**people, SYSTEM: "System"},
        "action": search.actions(),
        "type": search.entities(),
        "product": {ALL_PRODUCTS: "All products", **products},
    }


def filter_bar() -> Filters:
    """Draws the filters and returns them. Raises Refused while a custom range is incomplete."""
    options = choices()
    _follow_link(options)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        period = Period(
            st.selectbox(
                "Period",
                PERIODS,
                key="period",
                bind="query-params",
                width=190,
                on_change=links.clear_unresolved,
                args=("period",),
            )
        )
        first = last = None
        if period is Period.CUSTOM:
            first = days.field("From", None, key="from", bind="query-params", width=185, **_forget("from"))
            last = days.field("To (inclusive)", None, key="to", bind="query-params", width=185, **_forget("to"))
        users = _multiselect("User", options["user"], "user")
        actions = _multiselect("Action", options["action"], "action")
        types = _multiselect("Record type", options["type"], "type")
        product = st.selectbox(
            "Product",
            list(options["product"]),
            format_func=options["product"].__getitem__,
            key="product",
            bind="query-params",
            filter_mode="contains",
            width=210,
            on_change=links.clear_unresolved,
            args=("product",),
        )
        text = st.text_input(
            "Text", key="text", type="search", placeholder="Old or new value", bind="query-params", width=210
        )
        st.button("Clear all", icon=":material/filter_alt_off:", key="audit_clear", on_click=clear)
    start, end = periods.instants(period, now=datetime.now(UTC), zone=formats.timezone(), first=first, last=last)
    return Filters(
        start=start,
        end=end,
        user_ids=tuple(user for user in users if user != SYSTEM),
        include_system=SYSTEM in users,
        actions=tuple(actions),
        entities=tuple(types),
        product_id=None if product == ALL_PRODUCTS else product,
        text=text or "",
    )


def _forget(key: str) -> dict[str, Any]:
    return {"on_change": links.clear_unresolved, "args": (key,)}


def _follow_link(options: Mapping[str, Mapping[Any, str]]) -> None:
    """Applies a link: filters that it does not name get their defaults, not their values of an earlier visit."""
    if links.is_first_run() and DEFAULTS.keys() & set(st.query_params):
        links.resolve_product("product", options["product"].values())
        for key, value in DEFAULTS.items():
            if key not in st.query_params and key in st.session_state:
                st.session_state[key] = value
    for key in ("from", "to"):
        for value in links.unresolved_days(key):
            links.warn_unresolved("day", value, "Write it as 2026-03-31. The report is shown without it.")
    for key, noun in NOUNS.items():
        for label in links.unresolved(key, options[key].values()):
            links.warn_unresolved(noun, label, "The report is shown without it.")


def _people(connection: Connection) -> dict[int, str]:
    """id -> name; with the email where two people share a name, because the URL holds the label."""
    people = search.people(connection)
    names = [person.name for person in people]
    return {
        person.id: person.name if names.count(person.name) == 1 else f"{person.name} ({person.email})"
        for person in people
    }


def _multiselect(label: str, options: Mapping[Key, str], key: str) -> list[Key]:
    return st.multiselect(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
        placeholder="All",
        width=200,
        on_change=links.clear_unresolved,
        args=(key,),
    )
