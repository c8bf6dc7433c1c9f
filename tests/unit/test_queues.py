"""The gate: a few at once, fewer of one user, and nobody waits for all that somebody else has asked for."""

import threading

import pytest

from backstitch.errors import Refused
from backstitch.queues import Gate, Limits


def inside(gate: Gate, *tickets: object) -> list[bool]:
    return [gate.wait(ticket, 0) for ticket in tickets]  # type: ignore[arg-type]


def test_a_user_gets_so_many_places_and_leaves_the_others_free() -> None:
    gate = Gate(at_once=4, per_user=2)
    crowd = [gate.join("crowd") for _ in range(40)]
    other = gate.join("other")
    assert inside(gate, *crowd[:3], other) == [True, True, False, True]
    assert (gate.count("crowd"), gate.count("other"), gate.count("nobody")) == (40, 1, 0)


def test_who_has_fewest_inside_goes_first_and_among_equals_who_came_first() -> None:
    gate = Gate(at_once=2, per_user=2)
    first, second, third = (gate.join("crowd") for _ in range(3))
    late, later = gate.join("late"), gate.join("later")
    assert [gate.ahead(ticket) for ticket in (first, late, later, third)] == [0, 2, 3, 4]
    gate.leave(first)
    assert inside(gate, third, late, later) == [False, True, False]
    # Now the crowd has none inside, and its third came before `later`.
    gate.leave(second)
    assert inside(gate, third, late, later) == [True, True, False]
    gate.leave(late)
    assert inside(gate, later) == [True]


def test_who_leaves_the_queue_is_no_longer_ahead_of_anybody() -> None:
    gate = Gate(at_once=1, per_user=1)
    first, gone, last = gate.join("a"), gate.join("b"), gate.join("c")
    assert gate.ahead(last) == 2
    gate.leave(gone)
    assert gate.ahead(last) == 1
    gate.leave(first)
    assert inside(gate, last) == [True]


def test_who_waits_is_told_and_what_that_raises_gives_up_the_place() -> None:
    gate = Gate(at_once=1, per_user=1)
    holder = gate.join("holder")
    told: list[int] = []

    def give_up(ahead: int) -> None:
        told.append(ahead)
        raise InterruptedError

    with pytest.raises(InterruptedError), gate.place("waiter", waiting=give_up):
        pytest.fail("there was no place")
    assert (told, gate.count("waiter")) == ([1], 0)
    gate.leave(holder)
    with gate.place("waiter", waiting=give_up):
        assert gate.count("waiter") == 1


def test_a_wait_that_is_too_long_is_a_sentence() -> None:
    gate = Gate(at_once=1, per_user=1)
    gate.join("holder")
    with pytest.raises(Refused) as refused, gate.place("waiter", seconds=0):
        pytest.fail("there was no place")
    assert (refused.value.rule, gate.count("waiter")) == ("busy", 0)
    assert str(refused.value).endswith("try again in a moment.")


def test_a_place_that_becomes_free_goes_to_the_thread_that_waits() -> None:
    gate = Gate(at_once=1, per_user=1)
    holder, came_in = gate.join("holder"), threading.Event()

    def wait() -> None:
        with gate.place("waiter"):
            came_in.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not came_in.is_set()
    gate.leave(holder)
    assert came_in.wait(10)
    waiter.join()
    assert gate.count("waiter") == 0


def test_an_ordinary_read_has_a_third_of_the_time_of_a_heavy_question() -> None:
    assert [Limits(heavy_seconds=seconds).page_seconds for seconds in (30, 2, 1)] == [10, 1, 1]
