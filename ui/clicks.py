"""Clicks that come while the page does something that must come to its end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData


@contextmanager
def wait() -> Iterator[None]:
    """Holds back what the browser asks for until the block has ended; the run's own `st.rerun` and `st.stop` act.

    Streamlit ends a run for the next click at every use of `st`, and so between a commit and what the page does about
    it: an order would be saved and its form still open, ready to be saved again. No setting lets a run come to its end.
    """
    context = get_script_run_ctx()
    if context is None or context.script_requests is None:
        raise RuntimeError("clicks come to a script run only")
    requests, run, lock = context.script_requests, threading.current_thread(), threading.Lock()
    request_rerun, waiting = requests.request_rerun, list[RerunData]()

    def later(asked: RerunData) -> bool:
        if threading.current_thread() is run:
            return request_rerun(asked)
        with lock:
            if "request_rerun" not in vars(requests):
                return request_rerun(asked)
            waiting.append(asked)
            return True

    vars(requests)["request_rerun"] = later
    try:
        yield
    finally:
        with lock:
            del vars(requests)["request_rerun"]
            for asked in waiting:
                request_rerun(asked)
