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
from backstitch.demo import loader as demo_loader
from backstitch.errors import Refused, StartError
from backstitch.startup import Service
from ui.server import downloads, errors, hardening
from ui.server.middleware import BrowserCookie, Gate, SecurityHeaders
from ui.shared import single_sign_on

log = logging.getLogger("backstitch")

WATCH, AFTER_FAILURE = 3, 30  # seconds between two looks at the embedded server


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
    watch = asyncio.create_task(_watch(service))
    try:
        await asyncio.to_thread(startup.allow_single_sign_on, service, allowed=single_sign_on.is_configured())
        if service.settings.demo:
            await asyncio.to_thread(_load_demo, service)
        # What start-up made stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        with Sealer(service.database):
            yield {}
    finally:
        watch.cancel()
        running.__exit__(None, None, None)
        # uvicorn raises the signal that ended it once more when all is done; blocked, the exit code stays 0.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def _load_demo(service: Service) -> None:
    """Without demo data the app is as good as with them, so what prevents them is only logged."""
    try:
        demo_loader.load_once(service)
    except Refused as refusal:  # another app on the same database loads them at this moment
        log.info("The demo data were not loaded: %s", refusal)
    except Exception:
        log.exception("The demo data could not be loaded.")


async def _watch(service: Service) -> None:
    """Brings the embedded server back within seconds, should it die while the app runs."""
    while True:
        alive = await asyncio.to_thread(service.revive)
        await asyncio.sleep(WATCH if alive else AFTER_FAILURE)


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
