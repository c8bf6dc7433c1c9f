"""A client of Streamlit's WebSocket that behaves as a browser's tab, for attacks and for many tabs at once."""

import http.cookiejar
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

WIDGETS = ("text_input", "text_area", "button", "selectbox", "number_input", "checkbox")
TEXTS = {"heading": "body", "markdown": "body", "alert": "body", "text": "body", "code": "code_text"}


def browser_cookies(*addresses: str) -> dict[str, str]:
    """The cookies of a browser that has opened only these addresses."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    for address in addresses:
        browser.open(address, timeout=30).close()
    return {cookie.name: cookie.value or "" for cookie in jar}


@dataclass
class Tab:
    """A connection of a browser with these cookies; `session_id` asks for an existing session.

    `query` is that of the page's address.
    """

    url: str
    cookies: dict[str, str]
    session_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    origin: str | None = None
    timeout: float = 30
    elements: dict[tuple[int, ...], Any] = field(default_factory=dict)
    values: dict[str, WidgetState] = field(default_factory=dict)
    page_hash: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    leads_to: str | None = None
    query: str = ""

    def __post_init__(self) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        session = [self.session_id] if self.session_id else []
        protocols = ["streamlit", self.cookies.get("_streamlit_xsrf", "xsrf"), *session]
        self.connection: ClientConnection = connect(
            f"ws{self.url.removeprefix('http')}/_stcore/stream",
            subprotocols=[Subprotocol(protocol) for protocol in protocols],
            additional_headers=({"Cookie": cookies} if cookies else {}) | self.headers,
            origin=Origin(self.origin or f"http://{urlsplit(self.url).netloc}"),
            max_size=None,
            open_timeout=self.timeout,
            ping_interval=None,
            legacy=True,  # not a context manager: a tab is closed when its browser closes it
        )

    def close(self) -> None:
        """Closes the tab."""
        self.connection.close()

    def run(self, page: str = "", *, widgets: list[WidgetState] | None = None) -> "Tab":
        """Runs the script and returns the tab after the run."""
        self.send(page, widgets=widgets)
        return self.finished()

    def send(self, page: str = "", *, widgets: list[WidgetState] | None = None) -> None:
        """Asks for a run of the script, and does not wait for it."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_script_hash = "" if page else self.page_hash
        message.rerun_script.page_name = page
        message.rerun_script.widget_states.widgets.extend([*self.values.values(), *(widgets or [])])
        self.connection.send(message.SerializeToString())

    def finished(self) -> "Tab":
        """Waits until a run has finished, including further runs that it starts. Returns the tab."""
        return self._read(_is_end)

    def drawn(self, condition: Callable[[], bool]) -> "Tab":
        """Waits until `condition` holds, also in the middle of a run. Returns the tab."""
        return self._read(lambda message: condition())

    def _read(self, is_enough: Callable[[ForwardMsg], bool]) -> "Tab":
        while True:
            message = ForwardMsg.FromString(self.connection.recv(timeout=self.timeout))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session_id = message.new_session.initialize.session_id
                self.elements.clear()
            elif kind == "navigation":
                self.page_hash = message.navigation.page_script_hash
                self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self.elements[tuple(message.metadata.delta_path)] = message.delta.new_element
            elif kind == "auth_redirect":
                self.leads_to = message.auth_redirect.url
            if is_enough(message):
                return self

    def open(self, page: str) -> "Tab":
        """Opens another page, by the name in its address. Returns the tab."""
        self.page_hash = wanted = self.pages[page]
        return self.run().until(lambda: self.page_hash == wanted)

    def until(self, condition: Callable[[], bool]) -> "Tab":
        """Waits until `condition` holds, through further runs if need be. Returns the tab. Raises TimeoutError."""
        while not condition():
            try:
                self.finished()
            except TimeoutError:
                raise TimeoutError(f"nothing more comes after {self.texts()}") from None
        return self

    def texts(self) -> list[str]:
        """The texts on the screen (headings, paragraphs, alerts, labels), from top to bottom."""
        return [text for element in self._ordered() if (text := _text(element))]

    def widgets(self) -> Iterator[Any]:
        """All widgets, from top to bottom."""
        for element in self._ordered():
            kind = element.WhichOneof("type")
            if kind in WIDGETS:
                yield getattr(element, kind)

    def widget(self, label: str, *, submits: bool = False) -> Any:
        """The widget with this label; with `submits`, the button that submits a form. Raises LookupError."""
        for widget in self.widgets():
            if widget.label == label and (not submits or getattr(widget, "is_form_submitter", False)):
                return widget
        raise LookupError(f"no {label!r} among {self.texts()}")

    def has(self, label: str) -> bool:
        """Whether there is a widget with this label."""
        try:
            return bool(self.widget(label).id)
        except LookupError:
            return False

    def fill(self, label: str, text: str) -> None:
        """Types into a text field. The next run sends the text."""
        self.type_in(self.widget(label).id, text)

    def type_in(self, identity: str, text: str) -> None:
        """Types into the text field with this id."""
        self.values[identity] = WidgetState(id=identity, string_value=text)

    def click(self, label: str, *, submits: bool = False) -> "Tab":
        """Clicks a button and returns the tab after the run."""
        return self.press(self.widget(label, submits=submits).id)

    def press(self, identity: str) -> "Tab":
        """Clicks the button with this id and returns the tab after the run."""
        return self.run(widgets=[WidgetState(id=identity, trigger_value=True)])

    def _ordered(self) -> Iterator[Any]:
        return iter(element for _, element in sorted(self.elements.items()))


def _is_end(message: ForwardMsg) -> bool:
    successful = message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    return message.WhichOneof("type") == "script_finished" and successful


def _text(element: Any) -> str:
    kind = element.WhichOneof("type")
    if kind in WIDGETS:
        return str(getattr(element, kind).label)
    # The backslashes escape Markdown in texts from data.
    return str(getattr(getattr(element, kind), TEXTS[kind])).replace("\\", "") if kind in TEXTS else ""


def sign_in(tab: Tab, email: str, password: str) -> Tab:
    """Signs in with the form and returns the tab after it."""
    tab.run()
    tab.fill("Email", email)
    tab.fill("Password", password)
    tab.click("Sign in")
    tab.values.clear()
    return tab.until(lambda: tab.has("Sign out"))
