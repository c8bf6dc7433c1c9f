"""The current request: its id and source inside of a door, in what the door starts, and outside."""

import asyncio
import re
import threading

import pytest

from backstitch import database, request
from backstitch.request import Request, Source, door
from tests.asynchronous import complete

ID = re.compile(r"[0-9a-f]{12}")


def test_a_request_lasts_as_long_as_its_door_even_when_it_ends_in_an_error() -> None:
    assert request.current() is None
    with door(Source.PAGE) as opened:
        assert request.current() is opened
        assert opened.source == "page" and ID.fullmatch(opened.id)
    assert request.current() is None
    with pytest.raises(ZeroDivisionError), door(Source.PAGE):
        _ = 1 / 0
    assert request.current() is None


def test_each_request_has_an_id_of_its_own() -> None:
    ids = set()
    for _ in range(1000):
        with door(Source.PAGE) as opened:
            ids.add(opened.id)
    assert len(ids) == 1000


def test_a_door_inside_of_another_has_its_own_source_and_the_same_id() -> None:
    with door(Source.COMMAND) as outer:
        with door(Source.SYSTEM) as inner:
            assert inner == Request(Source.SYSTEM, outer.id)
        assert request.current() is outer


def test_what_a_door_starts_belongs_to_its_request_and_a_thread_of_its_own_does_not() -> None:
    seen: list[Request | None] = []

    async def work() -> None:
        with door(Source.SYSTEM):
            seen.append(await asyncio.to_thread(request.current))
            seen.append(await asyncio.create_task(asyncio.to_thread(request.current)))

    complete(work())
    assert [found.source if found else None for found in seen] == [Source.SYSTEM, Source.SYSTEM]
    with door(Source.PAGE):
        thread = threading.Thread(target=lambda: seen.append(request.current()))
        thread.start()
        thread.join()
    assert seen[-1] is None


def test_an_error_is_reported_under_the_id_of_its_request() -> None:
    with door(Source.PAGE) as opened:
        assert request.error_id() == opened.id
    assert ID.fullmatch(request.error_id())
    assert request.error_id() != request.error_id()


@pytest.mark.parametrize(
    ("operation", "kept"),
    [(None, None), ("x" * 200, "x" * 200), ("x" * 201, "x" * 199 + "…"), ("é" * 5000, "é" * 199 + "…")],
    ids=["none", "of the length", "longer", "much longer"],
)
def test_an_operation_is_cut_to_the_length_that_the_trail_keeps(operation: str | None, kept: str | None) -> None:
    assert database._cut(operation) == kept
