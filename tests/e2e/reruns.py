"""Waits until Streamlit has answered the browser's requests, by their WebSocket.

The page shows that a script runs only after the server's first answer. Between a click and that moment it looks
finished, and a test that acts then uses elements that are about to be replaced.
"""

from dataclasses import dataclass
from enum import Enum, auto
from weakref import WeakKeyDictionary

from playwright.sync_api import BrowserContext, Page, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class _State(Enum):
    REQUESTED = auto()
    RUNNING = auto()
    ANSWERED = auto()


@dataclass
class _Reruns:
    state: _State = _State.REQUESTED

    def connected(self, socket: WebSocket) -> None:
        self.state = _State.REQUESTED  # a new connection starts with a run
        socket.on("framesent", self.sent)
        socket.on("framereceived", self.received)

    def sent(self, frame: bytes | str) -> None:
        if isinstance(frame, bytes) and BackMsg.FromString(frame).WhichOneof("type") == "rerun_script":
            self.state = _State.REQUESTED

    def received(self, frame: bytes | str) -> None:
        if not isinstance(frame, bytes):
            return
        message = ForwardMsg.FromString(frame)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.state = _State.RUNNING
        elif kind == "script_finished" and self.state is _State.RUNNING:
            starts_another = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
            self.state = _State.RUNNING if starts_another else _State.ANSWERED

    def loaded(self) -> None:
        self.state = _State.REQUESTED


_pages: WeakKeyDictionary[Page, _Reruns] = WeakKeyDictionary()


def follow(context: BrowserContext) -> None:
    """Listens to the requests of the pages that the context will open."""
    context.on("page", _follow)


def _follow(page: Page) -> None:
    reruns = _pages[page] = _Reruns()
    page.on("websocket", reruns.connected)
    page.on("domcontentloaded", lambda _: reruns.loaded())


def wait(page: Page, timeout: float) -> None:
    """Waits until the last request of the page has been answered; `timeout` is in milliseconds.

    Raises KeyError for a page of a context that was not followed, TimeoutError when no answer comes.
    """
    reruns, waited = _pages[page], 0
    while reruns.state is not _State.ANSWERED:
        page.wait_for_timeout(10)  # the listeners run while Playwright works
        waited += 10
        if waited > timeout:
            raise TimeoutError(f"the script run is {reruns.state.name.lower()} and does not end")
