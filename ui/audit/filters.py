"""The filters of the audit report; all of them live in the URL, so a report can be sent to a colleague."""

from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import streamlit as st
from sqlalchemy import Connection

from backstitch.audit import periods, search
from backstitch.audit.periods import Period
from backstitch.audit.search import Filters
from backstitch.inventory.products import queries as product_queries
from ui.shared import formats, links, session

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
WORDS = {"period": "period", "user": "user", "action": "action", "type": "record type", "product": "product"}
SEVERAL = ("user", "action", "type")


def clear() -> None:
    """Back to the default report. Set, not forgotten: a bound widget would take its value from the URL again."""
    for key, value in CLEARED.items():
        st.session_state[key] = value
    links.clear_unresolved()


def show_only(asked: Mapping[str, str]) -> None:
    """The report that a link with these words leads to, for a click on the report itself."""
    clear()
    narrow(asked)


def narrow(asked: Mapping[str, str]) -> bool:
    """Narrows the report to these words, by filter; where a filter has no such choice, leaves it and returns False."""
    offered = choices()
    found = {
        key: value
        for key, words in asked.items()
        for value, shown in offered[key].items()
        if shown.casefold() == words.casefold()
    }
    if found.keys() != asked.keys():
        return False
    for key, value in found.items():
        st.session_state[key] = [value] if key in SEVERAL else value
    return True


def narrow_to_day(day: date) -> None:
    """Narrows the report to one day."""
    if st.session_state["period"] != Period.CUSTOM.value:
        # What is set before it is drawn for the first time does not get into the address by itself.
        st.query_params.update({"from": day.isoformat(), "to": day.isoformat()})
    st.session_state["period"] = Period.CUSTOM.value
    st.session_state["from"] = st.session_state["to"] = day


def choices() -> dict[str, dict[Any, str]]:
    """What each filter offers: its values with the words that stand on the screen and in a link."""
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
    """Draws the filters and returns them. Raises Refused while a custom range is not complete."""
    offered = choices()
    _follow_link(offered)
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
            first = st.date_input("From", None, key="from", format="DD/MM/YYYY", bind="query-params", width=185)
            last = st.date_input("To (inclusive)", None, key="to", format="DD/MM/YYYY", bind="query-params", width=185)
        users = _choice("User", offered["user"], "user")
        actions = _choice("Action", offered["action"], "action")
        types = _choice("Record type", offered["type"], "type")
        product = st.selectbox(
            "Product",
            list(offered["product"]),
            format_func=offered["product"].__getitem__,
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


def _follow_link(offered: Mapping[str, Mapping[Any, str]]) -> None:
    """A link says all of its report: what it does not name is not left from the visit before."""
    if links.is_first_run() and CLEARED.keys() & set(st.query_params):
        links.resolve_product("product", offered["product"].values())
        for key, value in CLEARED.items():
            if key not in st.query_params and key in st.session_state:
                st.session_state[key] = value
    for key, word in WORDS.items():
        for asked in links.unresolved(key, offered[key].values()):
            links.warn_unresolved(word, asked, "The report is shown without it.")


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
        on_change=links.clear_unresolved,
        args=(key,),
    )
