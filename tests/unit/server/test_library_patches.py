"""The libraries still have what ui/server/library_patches.py replaces and reaches, as in the versions it names."""

import inspect
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest
from extra_streamlit_components import CookieManager
from streamlit import error_util
from streamlit.runtime import websocket_session_manager
from streamlit.runtime.scriptrunner import exec_code, script_runner
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.state.session_state import SessionState
from streamlit_authenticator.models import AuthenticationModel, CookieModel

from backstitch import log_format, request
from backstitch.settings import PROJECT
from ui.server import library_patches, script_runs

KEY = "a key of thirty-two characters or more"
# The library, the part that is replaced or used, and the parameters with which it is called.
PARTS: list[tuple[str, type, str, list[str]]] = [
    ("streamlit", ScriptRequests, "request_rerun", ["self", "new_data"]),
    ("streamlit", ScriptRequests, "request_stop", ["self"]),
    ("streamlit", SessionState, "get_widget_id_from_key", ["self", "user_key"]),
    ("streamlit", SessionState, "get_widget_metadata", ["self", "widget_id"]),
    ("streamlit", SessionState, "_keys", ["self"]),
    ("streamlit-authenticator", AuthenticationModel, "check_credentials", ["self", "username", "password"]),
    (
        "extra-streamlit-components",
        CookieManager,
        "set",
        ["self", "cookie", "val", "key", "path", "expires_at", "max_age", "domain", "secure", "same_site"],
    ),
    ("extra-streamlit-components", CookieManager, "delete", ["self", "cookie", "key"]),
]


def advice(library: str, finding: str) -> str:
    """What to do about a patch that no longer fits."""
    return (
        f"{finding}; ui/server/library_patches.py was made for {library} {library_patches.MADE_FOR[library]}. Compare "
        "what it replaces there with the code of the installed version, adapt it and this test, run tests/ui/shared, "
        "tests/ui/accounts and tests/e2e, then name the new version in MADE_FOR."
    )


@pytest.mark.parametrize("library", library_patches.MADE_FOR)
def test_the_installed_version_is_the_one_that_the_patches_were_made_for(library: str) -> None:
    installed = metadata.version(library)
    assert installed == library_patches.MADE_FOR[library], advice(library, f"{library} is {installed} here")


@pytest.mark.parametrize(("library", "owner", "name", "parameters"), PARTS, ids=lambda value: str(value))
def test_each_replaced_method_is_there_and_takes_what_it_took(
    library: str, owner: type, name: str, parameters: list[str]
) -> None:
    method = getattr(owner, name, None)
    assert method is not None, advice(library, f"{owner.__name__}.{name} is gone")
    found = list(inspect.signature(method).parameters)
    assert found == parameters, advice(library, f"{owner.__name__}.{name} takes {', '.join(found)}")


def test_streamlit_passes_what_the_browser_asks_for_to_the_replaced_methods() -> None:
    asked: list[object] = []
    runner: Any = object.__new__(ScriptRunner)
    runner._join_wake_lock, runner._join_wake_coordinator = threading.Lock(), None
    runner._requests = SimpleNamespace(request_rerun=asked.append, request_stop=lambda: asked.append("stop"))
    runner.request_rerun("rerun")
    runner.request_stop()
    assert asked == ["rerun", "stop"], advice("streamlit", "ScriptRunner asks for the end of a run in another way")


def test_a_run_of_a_script_goes_through_the_function_that_opens_its_door(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = advice("streamlit", "a run of a script is made another way")
    name = "exec_func_with_error_handling"
    original = getattr(exec_code, name)
    assert list(inspect.signature(original).parameters) == ["func", "ctx"], changed
    # One call makes the runs of whole scripts, of fragments and of dialogs, with the callbacks before them.
    runs = inspect.getsource(ScriptRunner._run_script)
    assert (runs.count(f"{name}(code_to_exec, ctx)"), runs.count(".on_script_will_rerun(")) == (1, 1), changed
    monkeypatch.setattr(script_runner, name, original)
    script_runs.install()
    script_runs.install()
    ran = getattr(script_runner, name)(request.current, SimpleNamespace())
    assert (ran[0].source, ran[1], request.current()) == ("page", True, None), changed


def from_browser(ask: Callable[..., object], *arguments: object) -> None:
    """Asks from another thread than the run's, as Streamlit does for the browser."""
    browser = threading.Thread(target=ask, args=arguments)
    browser.start()
    browser.join()


def test_a_deferred_rerun_begins_after_the_block_and_the_methods_are_the_librarys_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = ScriptRequests()
    monkeypatch.setattr(library_patches, "get_script_run_ctx", lambda: SimpleNamespace(script_requests=requests))
    with library_patches.defer_reruns():
        from_browser(requests.request_stop)
        from_browser(requests.request_rerun, RerunData(page_name="next"))
        assert requests._state == ScriptRequestType.CONTINUE
    assert (requests._state, requests._rerun_data.page_name) == (ScriptRequestType.RERUN, "next")
    assert not {"request_rerun", "request_stop"} & set(vars(requests))


def test_a_rerun_that_arrives_as_one_block_ends_is_deferred_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = ScriptRequests()
    monkeypatch.setattr(library_patches, "get_script_run_ctx", lambda: SimpleNamespace(script_requests=requests))
    with library_patches.defer_reruns():
        late = requests.request_rerun
    with library_patches.defer_reruns():
        from_browser(late, RerunData(page_name="next"))
        assert requests._state == ScriptRequestType.CONTINUE
    assert (requests._state, requests._rerun_data.page_name) == (ScriptRequestType.RERUN, "next")


def test_the_sign_in_library_asks_our_check_and_leaves_its_cookie_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_patches.st, "session_state", {"logout": None, "username": "a@example.com"})
    asked: list[tuple[str, str]] = []

    def check(email: str, password: str) -> bool:
        asked.append((email, password))
        return password == "right"

    made = library_patches.authenticator(cookie_key=KEY, lifetime=timedelta(hours=1), check=check)
    login = made.authentication_controller.login
    assert [login("a@example.com", password) for password in ("wrong", "right")] == [False, True]
    changed = advice("streamlit-authenticator", "signing in goes another way")
    assert asked == [("a@example.com", "wrong"), ("a@example.com", "right")], changed
    assert isinstance(library_patches._cookie_manager(made), CookieManager), changed
    written: list[object] = []
    monkeypatch.setattr(CookieManager, "set", lambda *given, **named: written.append(given))
    monkeypatch.setattr(CookieModel, "get_cookie", lambda self: {"username": "a@example.com"})
    made.cookie_controller.set_cookie()
    assert (made.cookie_controller.get_cookie(), written) == (None, []), changed


def test_the_entry_loads_no_component_before_streamlit_runs() -> None:
    loaded = "import sys, app; print('extra_streamlit_components' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", "Streamlit would not serve the component, and no browser would keep a sign-in"


def test_streamlit_logs_script_errors_and_tabs_where_log_format_filters_them() -> None:
    for module in (error_util, websocket_session_manager):
        assert module._LOGGER is logging.getLogger(module.__name__), advice("streamlit", f"{module} logs elsewhere")
    message = '"Uncaught app execution"'
    assert message in inspect.getsource(error_util), advice("streamlit", f"{error_util} no longer logs {message}")
    source = inspect.getsource(log_format)
    named = [message, f'"{error_util.__name__}"', f'"{websocket_session_manager.__name__}"']
    assert [text for text in named if text not in source] == []
