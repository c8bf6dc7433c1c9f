"""The only entry: `streamlit run app.py`. One process serves the pages, the downloads and the database.

The lifespan starts the database (the embedded one, or what DATABASE_URL names), migrates it, fills it with
demo data at the very first start, and stops everything cleanly on Ctrl-C and SIGTERM.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from backstitch import log_format, settings, startup
from backstitch.audit.sealing import Sealer
from backstitch.demo import first_start
from backstitch.errors import StartError
from backstitch.startup import Service
from ui.server import downloads, errors, hardening
from ui.server.middleware import BrowserCookie, Gate, SecurityHeaders
from ui.shared import single_sign_on

log = logging.getLogger("backstitch")

WATCH, AFTER_FAILURE = 3, 30  # seconds between two looks at the embedded server
LOOK_AHEAD = 24 * 60 * 60  # seconds between two looks at the months ahead


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Runs the service as long as the app; a start that fails ends in one sentence and exit code 1."""
    log_format.to_standard_error()
    try:
        configured = settings.load()
        for sentence in hardening.weakened(st.get_option, demo=configured.demo):
            log.warning("%s", sentence)
        single_sign_on.require_secret()
        running = startup.running(configured)
        service = await asyncio.to_thread(running.__enter__)
    except StartError as error:
        print(f"Backstitch cannot start. {error}", file=sys.stderr, flush=True)
        # Nothing runs yet that would need an orderly end, and uvicorn would print a traceback.
        os._exit(1)
    watches = [asyncio.create_task(_watch(service)), asyncio.create_task(_look_ahead(service))]
    try:
        # The demo first, which may make the database anew.
        if service.settings.demo:
            await asyncio.to_thread(first_start.load, service)
        await asyncio.to_thread(startup.allow_single_sign_on, service, allowed=single_sign_on.is_configured())
        # What start-up made stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        with Sealer(service.database):
            yield {}
    finally:
        for watch in watches:
            watch.cancel()
        running.__exit__(None, None, None)
        # uvicorn raises the signal that ended it once more when all is done; blocked, the exit code stays 0.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


async def _watch(service: Service) -> None:
    """Brings the embedded server back within seconds, should it die while the app runs."""
    while True:
        alive = await asyncio.to_thread(service.revive)
        await asyncio.sleep(WATCH if alive else AFTER_FAILURE)


async def _look_ahead(service: Service) -> None:
    """Makes the partitions of the months ahead each day: an app may run for longer than those of its start last."""
    while True:
        await asyncio.sleep(LOOK_AHEAD)
        await asyncio.to_thread(service.look_ahead)


app = st.App(
    Path(__file__).resolve().parent / "ui" / "main.py",
    lifespan=lifespan,
    routes=downloads.routes(),
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(Gate, hosts=hardening.hosts, authenticate=downloads.is_live),
        Middleware(BrowserCookie),
    ],
    on_script_error=errors.show,
)
