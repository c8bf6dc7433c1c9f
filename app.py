"""The entry point: `streamlit run app.py`. One process serves the pages and the downloads, and runs the database.

The lifespan starts the database (the embedded one, or what DATABASE_URL names), migrates it, fills it with
demo data at the very first start, and stops everything cleanly on Ctrl-C and SIGTERM.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from starlette.middleware import Middleware

from backstitch import log_format, settings, startup
from backstitch.audit.sealing import Sealer
from backstitch.demo import first_start
from backstitch.errors import StartError
from backstitch.request import Source, door
from backstitch.startup import Service
from ui.server import downloads, errors, hardening, script_runs
from ui.server.middleware import BrowserCookie, Door, Gate, PageFiles, SecurityHeaders
from ui.shared import single_sign_on

log = logging.getLogger("backstitch")

Result = TypeVar("Result")

CHECK_SERVER, CHECK_SERVER_AFTER_FAILURE = 3, 30  # seconds between two checks of the embedded server
CREATE_PARTITIONS = 24 * 60 * 60  # seconds between two checks of the partitions


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Runs the service as long as the app; a failed start prints one sentence and exits with code 1."""
    log_format.to_standard_error()
    script_runs.install()
    try:
        configured = settings.load()
        for sentence in hardening.weakened(st.get_option, demo=configured.demo):
            log.warning("%s", sentence)
        single_sign_on.require_secret()
        running = startup.running(configured)
        service = await _as_system(running.__enter__)
    except StartError as error:
        print(f"Backstitch cannot start. {error}", file=sys.stderr, flush=True)
        # Nothing runs yet that needs a clean stop, and uvicorn would print a traceback.
        os._exit(1)
    background_tasks = [asyncio.create_task(_watch_server(service)), asyncio.create_task(_create_partitions(service))]
    try:
        # First the demo, which may replace the database.
        if service.settings.demo:
            await _as_system(first_start.load, service)
        await _as_system(startup.allow_single_sign_on, service, allowed=single_sign_on.is_configured())
        # The objects made by the start-up stay alive, so the garbage collector need not check them again.
        gc.collect()
        gc.freeze()
        with Sealer(service.database.apart(application="backstitch seal")):
            yield {}
    finally:
        for task in background_tasks:
            task.cancel()
        running.__exit__(None, None, None)
        # uvicorn raises the signal that ended it once more at the end; while it is blocked, the exit code stays 0.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


async def _watch_server(service: Service) -> None:
    """Restarts the embedded server within seconds if it dies while the app runs."""
    while True:
        alive = await _as_system(service.revive)
        await asyncio.sleep(CHECK_SERVER if alive else CHECK_SERVER_AFTER_FAILURE)


async def _create_partitions(service: Service) -> None:
    """Creates the partitions of the months ahead each day: the app may outlive those made at its start."""
    while True:
        await asyncio.sleep(CREATE_PARTITIONS)
        await _as_system(service.look_ahead)


async def _as_system(work: Callable[..., Result], *arguments: object, **named: object) -> Result:
    """Runs a task of the app itself in a thread, as a request of its own."""
    with door(Source.SYSTEM):
        return await asyncio.to_thread(work, *arguments, **named)


app = st.App(
    Path(__file__).resolve().parent / "ui" / "main.py",
    lifespan=lifespan,
    routes=downloads.routes(),
    middleware=[
        Middleware(Door),
        Middleware(SecurityHeaders),
        Middleware(
            Gate, hosts=hardening.hosts, authenticate=downloads.is_live, has_sign_on=single_sign_on.is_configured
        ),
        Middleware(BrowserCookie),
        Middleware(PageFiles),
    ],
    on_script_error=errors.show,
)
