"""Transfers: one of each user, a few made at once, and a client that goes away or reads nothing costs no more."""

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from backstitch.api import transfers
from backstitch.api.transfers import OTHERS, YOURS, Sent, TooMany, Transfers, send_file
from tests.asynchronous import complete

SIZE = 5 * transfers.CHUNK + 7


class Client:
    """A client as the server sees it: closes its socket when `closed` is set, reads only while `reads` is set."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.messages: list[Message] = []

    @property
    def request(self) -> Request:
        return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}, self.receive)

    async def receive(self) -> Message:
        await self.closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        return self.messages[-1].get("more_body") is False


def sending(client: Client) -> Awaitable[Sent]:
    return send_file(client.request, client.send, io.BytesIO(bytes(SIZE)), size=SIZE, headers={"content-type": "a/b"})


def test_a_file_is_sent_whole_with_its_length() -> None:
    async def run() -> None:
        client = Client()
        assert await sending(client) == Sent(SIZE, None)
        assert (client.body, client.is_complete) == (bytes(SIZE), True)
        assert client.messages[0]["headers"] == [(b"content-type", b"a/b"), (b"content-length", str(SIZE).encode())]

    complete(run())


def test_a_client_that_closes_its_socket_gets_no_more_and_the_response_stays_incomplete() -> None:
    async def run() -> None:
        client = Client()

        async def send(message: Message) -> None:
            await client.send(message)
            if len(client.messages) == 3:
                client.closed.set()

        sent = await send_file(client.request, send, io.BytesIO(bytes(SIZE)), size=SIZE, headers={})
        assert sent == Sent(2 * transfers.CHUNK, "the client closed the connection")
        assert not client.is_complete

    complete(run())


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "STALLED_SECONDS", 0.05)

    async def run() -> None:
        client = Client()
        client.reads.clear()
        assert await sending(client) == Sent(0, "the client took nothing for 0.05 seconds")
        assert client.messages == []

    complete(run())


def test_a_user_has_one_transfer_at_a_time_and_all_together_a_few() -> None:
    under_way = Transfers(at_once=1)
    with under_way.of("crowd"):
        with pytest.raises(TooMany) as refused, under_way.of("crowd"):
            pytest.fail("a second one")
        assert (str(refused.value), refused.value.retry_after, refused.value.rule) == (YOURS, 10, "too_many")
        with under_way.of("other"), under_way.of("third"):
            with pytest.raises(TooMany) as refused, under_way.of("fourth"):
                pytest.fail("too many files")
            assert (str(refused.value), refused.value.retry_after) == (OTHERS, 30)
        with under_way.of("fourth"):
            pass
    with under_way.of("crowd"):
        pass


def test_the_making_waits_its_turn_and_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "TURN_SECONDS", 0.3)

    async def run() -> None:
        made, end = Transfers(at_once=1), threading.Event()
        first = asyncio.ensure_future(made.make(Client().request, "first", lambda closed: end.wait(10)))
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await made.make(Client().request, "second", lambda closed: pytest.fail("it had no turn"))
        waiting = asyncio.ensure_future(made.make(Client().request, "third", lambda closed: "made"))
        end.set()
        assert (await first, await waiting) == (True, "made")

    complete(run())


def test_a_client_that_closes_its_socket_while_it_waits_gives_up_its_turn() -> None:
    async def run() -> None:
        made, end, client = Transfers(at_once=1), threading.Event(), Client()
        first = asyncio.ensure_future(made.make(Client().request, "first", lambda closed: end.wait(10)))
        await asyncio.sleep(0)
        client.closed.set()
        with anyio.fail_after(10), pytest.raises(TooMany):
            await made.make(client.request, "second", lambda closed: pytest.fail("it had no turn"))
        end.set()
        assert await first

    complete(run())


def test_the_work_learns_that_the_client_has_closed_its_socket() -> None:
    async def run() -> None:
        client = Client()

        def work(closed: Callable[[], bool]) -> str:
            loop.call_soon_threadsafe(client.closed.set)
            while not closed():
                threading.Event().wait(0.01)
            return "ended"

        loop = asyncio.get_running_loop()
        with anyio.fail_after(10):
            assert await Transfers(at_once=1).make(client.request, "user", work) == "ended"

    complete(run())
