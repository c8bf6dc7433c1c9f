"""Replaces methods of libraries and reaches parts that they do not document: whatever does so stands here.

MADE_FOR names the versions that this fits. tests/unit/server/test_library_patches.py fails when another version is
installed or a replaced method has changed, and says what to do then. Of `ui/` this imports only the names of the
cookies, so `ui/shared/` can use it. `app.py` must not import it: Streamlit serves a component, such as the one that
sets the cookie, only if its package is imported while Streamlit runs.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import streamlit as st
import streamlit_authenticator as stauth
from extra_streamlit_components import CookieManager
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.state.common import is_element_id, user_key_from_element_id
from streamlit_authenticator.models import AuthenticationModel

from ui import SIGN_IN_COOKIE

MADE_FOR = {"streamlit": "1.67.0", "streamlit-authenticator": "0.4.2", "extra-streamlit-components": "0.1.81"}

CheckPassword = Callable[[str, str], bool]


# Streamlit: what asks for the end of a run


@contextmanager
def defer_reruns() -> Iterator[None]:
    """Defers reruns until a commit has finished; `st.rerun` and `st.stop` of the run itself act at once.

    Streamlit ends a run at any call of `st` once the browser asks for the next run or loses its connection. Between a
    commit and what the page does about it, that would leave the form of a saved order open, ready to be saved again.
    No setting of Streamlit prevents it.
    """
    context = get_script_run_ctx()
    if context is None or context.script_requests is None:
        raise RuntimeError("only a script run can defer reruns")
    requests = context.script_requests
    if "request_rerun" in vars(requests):  # a block within a block
        yield
        return
    deferred = _DeferredRequests(requests)
    vars(requests).update(request_rerun=deferred.request_rerun, request_stop=deferred.request_stop)
    try:
        yield
    finally:
        deferred.release()


def abandonment() -> Callable[[], bool]:
    """A function that returns whether this run has been abandoned: its tab was closed, or another run is to replace it.

    Any thread may call it. It has to look into Streamlit, which ends such a run at its next call of `st` only, and a
    run that waits for the database makes none.
    """
    context = get_script_run_ctx()
    if context is None or context.script_requests is None:
        return lambda: False
    requests = context.script_requests

    def is_abandoned() -> bool:
        if requests._state is ScriptRequestType.RERUN:
            data = requests._rerun_data
            # A fragment's own rerun waits until the page has been drawn.
            return not data.fragment_id_queue or data.is_fragment_scoped_rerun
        return requests._state is ScriptRequestType.STOP

    return is_abandoned


# Streamlit: the session state


def settable_values() -> dict[str, object]:
    """The session state of this tab by key, without that of buttons, uploads and tables, which no script may set."""
    context = get_script_run_ctx()
    if context is None:
        return {}
    state = context.session_state._state

    def is_settable(key: str, value: object) -> bool:
        widget = state.get_widget_id_from_key(key)
        metadata = state.get_widget_metadata(widget) if widget else None
        if metadata is None:
            return True
        kind = metadata.value_type or ""
        return not ("trigger" in kind or "file" in kind or isinstance(value, Mapping))

    return {key: value for key, value in state.filtered_state.items() if is_settable(key, value)}


def keys_from_browser() -> set[str]:
    """The keys of the widgets whose values this tab has sent: all that are on its screen when it connects again."""
    context = get_script_run_ctx()
    ids = context.session_state._state._keys() if context else ()
    return {key for known in ids if is_element_id(known) and (key := user_key_from_element_id(known))}


def tab_ids() -> list[str]:
    """The id of this tab, and the one that it had before the server forgot it; the browser sends that with its request
    to connect again, behind the name of the protocol and a token."""
    context = get_script_run_ctx()
    protocols = (st.context.headers.get("Sec-WebSocket-Protocol") or "").split(",")
    return [*([context.session_id] if context else []), *(part.strip() for part in protocols[2:3] if part.strip())]


class _DeferredRequests:
    """Replaces two methods of a run's ScriptRequests, which the browser's thread and the run's own thread call."""

    def __init__(self, requests: ScriptRequests) -> None:
        self._requests = requests
        self._request_rerun, self._request_stop = requests.request_rerun, requests.request_stop
        self._run_thread = threading.current_thread()
        self._lock = threading.Lock()
        self._pending: list[Callable[[], object]] = []
        self._is_released = False

    def request_rerun(self, new_data: RerunData) -> bool:
        """Keeps a rerun that the browser asks for; True tells Streamlit that it is accepted."""
        if threading.current_thread() is self._run_thread:
            return self._request_rerun(new_data)
        with self._lock:
            if not self._is_released:
                # A rerun that follows a stop, as when a browser connects again, would be refused after that stop.
                reruns = [request for request in self._pending if request != self._request_stop]
                self._pending = [*reruns, partial(self._request_rerun, new_data)]
                return True
        return self._requests.request_rerun(new_data)

    def request_stop(self) -> None:
        """Keeps a stop that a lost connection asks for."""
        if threading.current_thread() is self._run_thread:
            # Ends this run alone. A stop for good would refuse the deferred reruns, which Streamlit takes for accepted.
            raise StopException
        with self._lock:
            if not self._is_released:
                self._pending.append(self._request_stop)
                return
        self._requests.request_stop()

    def release(self) -> None:
        """Restores the methods and passes the deferred requests on."""
        with self._lock:
            del vars(self._requests)["request_rerun"], vars(self._requests)["request_stop"]
            self._is_released = True
            for request in self._pending:
                request()


# streamlit-authenticator, and extra-streamlit-components, by which it sets its cookie


class _CheckedByDatabase(AuthenticationModel):  # type: ignore[misc]  # the library has no types
    """The library's model of a sign-in, with one difference: `check` decides whether email and password are right."""

    def __init__(self, credentials: dict[str, dict[str, object]], check: CheckPassword) -> None:
        super().__init__(credentials, auto_hash=False)
        self._check = check

    def check_credentials(self, username: str, password: str) -> bool:
        """Whether the password is right; if so, the library learns of this one user."""
        if not self._check(username, password):
            return False
        self.credentials["usernames"][username] = {"email": username, "name": username, "roles": []}
        return True


def authenticator(*, cookie_key: str, lifetime: timedelta, check: CheckPassword) -> stauth.Authenticate:
    """The library's form, cookie and sign-out button, with no credentials in it."""
    credentials: dict[str, dict[str, object]] = {"usernames": {}}
    # The library draws a component that would read the cookies in the browser, and run the script again when it
    # has, over whatever was clicked meanwhile. The connection brings the cookies, so it leaves before it loads.
    reader = st.empty()
    with reader:
        made = stauth.Authenticate(
            credentials,
            cookie_name=SIGN_IN_COOKIE,
            cookie_key=cookie_key,
            cookie_expiry_days=lifetime / timedelta(days=1),
            auto_hash=False,
            login_sleep_time=0,
        )
    reader.empty()
    # ui/shared/cookies.py reads the cookie: the library raises for an odd one.
    made.cookie_controller.get_cookie = lambda: None
    # session.keep_cookie sets it: the library's cookie names no session, and travels over plain HTTP too.
    made.cookie_controller.set_cookie = lambda: None
    made.authentication_controller.authentication_model = _CheckedByDatabase(credentials, check)
    return made


def set_cookie(made: stauth.Authenticate, value: str, *, until: datetime, secure: bool) -> bool:
    """Draws the element that sets the sign-in cookie; True once the browser has answered."""
    _cookie_manager(made).set(SIGN_IN_COOKIE, value, key="set", expires_at=until, secure=secure)
    return bool(st.session_state.get("set"))


def delete_cookie(made: stauth.Authenticate) -> bool:
    """Draws the element that deletes the sign-in cookie; True once the browser has answered."""
    # The library's own list of cookies may lack this one; the browser's list counts.
    with contextlib.suppress(KeyError):
        _cookie_manager(made).delete(SIGN_IN_COOKIE, key="delete")
    return bool(st.session_state.get("delete"))


def _cookie_manager(made: stauth.Authenticate) -> CookieManager:
    return made.cookie_controller.cookie_model.cookie_manager
