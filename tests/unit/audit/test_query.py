"""Filters as a query string: there and back, and what is no filter."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstitch.audit.search import BadQuery, Filters, actions, entities, filters_from_query, filters_to_query

INDIA = ZoneInfo("Asia/Kolkata")
RANGE = {"start": ["2026-10-01"], "end": ["2026-10-31"]}

instants = st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC))


@st.composite
def any_filters(draw: st.DrawFn) -> Filters:
    start, end = sorted([draw(instants), draw(instants)])
    return Filters(
        start=start,
        end=end + timedelta(microseconds=start == end),
        user_ids=tuple(draw(st.lists(st.integers(0, 2**63 - 1), max_size=3))),
        include_system=draw(st.booleans()),
        actions=tuple(draw(st.lists(st.sampled_from(list(actions())), max_size=3))),
        entities=tuple(draw(st.lists(st.sampled_from(list(entities())), max_size=3))),
        product_id=draw(st.none() | st.integers(0, 2**63 - 1)),
        text=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=200)),
    )


@given(any_filters())
def test_filters_survive_the_way_through_a_url(filters: Filters) -> None:
    url = urlencode(filters_to_query(filters), doseq=True)
    assert filters_from_query(parse_qs(url), INDIA) == filters


def test_empty_filters_are_not_in_the_url() -> None:
    filters = Filters(datetime(2026, 10, 1, tzinfo=INDIA), datetime(2026, 11, 1, tzinfo=INDIA))
    assert filters_to_query(filters) == {
        "start": ["2026-10-01T00:00:00+05:30"],
        "end": ["2026-11-01T00:00:00+05:30"],
    }


def test_days_are_days_of_the_zone_and_the_last_is_included() -> None:
    assert filters_from_query(RANGE, INDIA) == Filters(
        datetime(2026, 10, 1, tzinfo=INDIA), datetime(2026, 11, 1, tzinfo=INDIA)
    )


def test_an_instant_without_an_offset_is_in_the_zone() -> None:
    filters = filters_from_query({"start": ["2026-10-01T09:30"], "end": ["2026-10-01T10:00+00:00"]}, INDIA)
    assert filters.start == datetime(2026, 10, 1, 4, tzinfo=UTC)
    assert filters.end == datetime(2026, 10, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"start": []}, "“start” is missing; give a day such as 2026-10-31."),
        ({"end": ["31/10/2026"]}, "“31/10/2026” is no end; give a day such as 2026-10-31, from 2000 to 2199."),
        ({"end": ["9999-12-31"]}, "“9999-12-31” is no end; give a day such as 2026-10-31, from 2000 to 2199."),
        ({"start": ["0001-01-01"]}, "“0001-01-01” is no start; give a day such as 2026-10-31, from 2000 to 2199."),
        ({"start": ["2026-11-01"]}, "“start” is not before “end”; swap them."),
        ({"start": ["2026-10-01", "2026-10-02"]}, "“start” is given more than once; give it once."),
        ({"user": ["meena"]}, "“meena” is no user; give the number of one."),
        ({"user": ["-1"]}, "“-1” is no user; give the number of one."),
        ({"user": ["٣"]}, "“٣” is no user; give the number of one."),
        ({"user": ["9223372036854775808"]}, "“9223372036854775808” is no user; give the number of one."),
        ({"product": ["1; drop table"]}, "“1; drop table” is no product; give the number of one."),
        ({"text": ["x" * 201]}, "“text” is longer than 200 characters; search for a part of it."),
        ({"action": ["UPDATE"] * 101}, "“action” is given more than 100 times; leave it out to get all."),
    ],
)
def test_an_invalid_filter_is_refused_with_a_sentence(changed: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(BadQuery) as refused:
        filters_from_query(RANGE | changed, INDIA)
    assert (str(refused.value), refused.value.rule) == (sentence, "audit_query")


@pytest.mark.parametrize("name", ["action", "type"])
def test_an_unknown_choice_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(BadQuery, match=f"“DROP” is no {name}; there are "):
        filters_from_query(RANGE | {name: ["DROP"]}, INDIA)


def test_an_unknown_parameter_is_refused_because_it_would_not_filter() -> None:
    with pytest.raises(BadQuery) as refused:
        filters_from_query(RANGE | {"actoin": ["UPDATE"]}, INDIA)
    assert str(refused.value) == (
        "“actoin” is not a parameter; there are start, end, user, action, type, product, text."
    )
