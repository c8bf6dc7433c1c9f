"""The filters of the audit report; all of them live in the URL, so a report can be sent to a colleague."""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st
from sqlalchemy import Connection

from backstitch.audit import periods, search
from backstitch.audit.periods import Period
from backstitch.audit.search import Filters
from backstitch.inventory import catalogue
from ui import formats, session

Key = TypeVar("Key", bound=Hashable)

SYSTEM = 0  # no user has this id
ALL_PRODUCTS = 0  # nor a product
# The default stands first: a widget with a default elsewhere cannot be set back to it without a warning in the log.
PERIODS = [periods.DEFAULT.value, *(period.value for period in Period if period is not periods.DEFAULT)]
CLEARED: dict[str, object] = {
    "period": periods.DEFAULT.value,
    "from": None,
    "to": None,
    "user": [],
    "action": [],
    "type": [],
    "product": ALL_PRODUCTS,
    "text": "",
}


def clear() -> None:
    """Back to the default report. Set, not forgotten: a bound widget would take its value from the URL again."""
    for key, value in CLEARED.items():
        st.session_state[key] = value


def filter_bar() -> Filters:
    """Draws the filters and returns them. Raises Refused while a custom range is not complete."""
    with session.read() as connection:
        people = _people(connection)
        products = catalogue.product_choices(connection, inactive=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        period = Period(
            st.selectbox(
                "Period",
                PERIODS,
                key="period",
                bind="query-params",
                width=190,
            )
        )
        first = last = None
        if period is Period.CUSTOM:
            first = st.date_input("From", None, key="from", format="DD/MM/YYYY", bind="query-params", width=185)
            last = st.date_input("To (inclusive)", None, key="to", format="DD/MM/YYYY", bind="query-params", width=185)
        users = _choice("User", {**people, SYSTEM: "System"}, "user")
        actions = _choice("Action", search.actions(), "action")
        types = _choice("Record type", search.entities(), "type")
        product = st.selectbox(
            "Product",
            [ALL_PRODUCTS, *products],
            format_func=lambda key: "All products" if key == ALL_PRODUCTS else products[key],
            key="product",
            bind="query-params",
            filter_mode="contains",
            width=210,
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


def _people(connection: Connection) -> dict[int, str]:
    """id -> name; with the address where two people share a name, because the URL carries what is shown."""
    people = search.people(connection)
    names = [person.name for person in people]
    return {
        person.id: person.name if names.count(person.name) == 1 else f"{person.name} ({person.email})"
        for person in people
    }


def _choice(label: str, options: Mapping[Key, str], key: str) -> list[Key]:
    return st.multiselect(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
        placeholder="All",
        width=200,
    )
