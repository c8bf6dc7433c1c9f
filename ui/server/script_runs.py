"""Makes a request of each run of a page's script: of the whole script, or of a fragment or dialog alone.

Streamlit has no hook around a run. The callbacks of widgets and a rerun fragment run outside of `ui/main.py`, so no
script can do this itself. It is a patch like those of `library_patches.py`, and is tested with them; it stands apart
because `app.py` installs it before the first run, and must not import that module.
"""

import logging
from collections.abc import Callable
from typing import Any

from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.scriptrunner.exec_code import exec_func_with_error_handling
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

from backstitch.request import Source, door

log = logging.getLogger(__name__)

# Work for the end of each run, while its session state is as the run has left it.
AFTER_EACH: set[Callable[[], None]] = set()


def install() -> None:
    """Opens a door around each run from now on, with its callbacks and the display of its errors."""
    vars(script_runner)["exec_func_with_error_handling"] = _run_in_door


def _run_in_door(func: Callable[[], Any], ctx: ScriptRunContext) -> Any:
    with door(Source.PAGE):
        result = exec_func_with_error_handling(func, ctx)
        for work in AFTER_EACH:
            try:
                work()
            except Exception:  # the run has done its work, whatever becomes of this
                log.exception("after a run: %s failed", work.__name__)
        return result
