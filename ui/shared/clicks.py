"""What comes from the browser while the page does something that must come to its end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests


@contextmanager
def wait() -> Iterator[None]:
    """Holds back what the browser asks for until the block has ended; the run's own `st.rerun` and `st.stop` act.

    Streamlit ends a run for the next click at every use of `st`, and for a lost connection, and so between a commit and
    what the page does about it: an order would be saved and its form still open, ready to be saved again. No setting
    lets a run come to its end.
    """
    context = get_script_run_ctx()
    if context is None or context.script_requests is None:
        raise RuntimeError("clicks come to a script run only")
    requests = context.script_requests
    if "request_rerun" in vars(requests):  # a block within a block
        yield
        return
    held = _Held(requests)
    vars(requests).update(request_rerun=held.rerun, request_stop=held.stop)
    try:
        yield
    finally:
        held.release()


class _Held:
    """Stands in for the requests of a run, between the browser's thread and the run's own."""

    def __init__(self, requests: ScriptRequests) -> None:
        self._requests, self._run, self._lock = requests, threading.current_thread(), threading.Lock()
        self._rerun, self._stop = requests.request_rerun, requests.request_stop
        self._waiting: list[Callable[[], object]] = []

    def rerun(self, asked: RerunData) -> bool:
        """In place of `request_rerun`."""
        if threading.current_thread() is self._run:
            return self._rerun(asked)
        with self._lock:
            if "request_rerun" not in vars(self._requests):
                return self._rerun(asked)
            # Who asks for a run after a stop, such as a browser that is connected again, would find this one stopped.
            self._waiting = [one for one in self._waiting if one != self._stop] + [partial(self._rerun, asked)]
            return True

    def stop(self) -> None:
        """In place of `request_stop`."""
        if threading.current_thread() is self._run:
            # Ends this run alone: one that is stopped for good would refuse what waits, of which Streamlit was told
            # that it is taken.
            raise StopException
        with self._lock:
            if "request_stop" not in vars(self._requests):
                self._stop()
            else:
                self._waiting.append(self._stop)

    def release(self) -> None:
        """Puts the requests back as they were, and asks for what waited."""
        with self._lock:
            del vars(self._requests)["request_rerun"], vars(self._requests)["request_stop"]
            for ask in self._waiting:
                ask()
