"""The settings of Streamlit on which safety rests, as they are in effect, however they were given.

`.streamlit/config.toml` sets them; an environment variable, a flag or another config.toml can undo that.
"""

import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from backstitch import startup
from backstitch.errors import StartError
from ui import BROWSER_HEADER

Option = Callable[[str], Any]

# What each must be, and what it means if it is not.
EXPECTED: dict[str, tuple[Any, str]] = {
    "server.enableXsrfProtection": (True, "another site's page can send files in a user's name"),
    "server.enableCORS": (True, "other sites' pages may read what this app answers"),
    "server.enableStaticServing": (False, "files of the project's folder are served to everybody"),
    "server.enableAgentApi": (False, "programs can drive pages without a browser"),
    "server.fileWatcherType": ("none", "a changed file of the program is run at once"),
    "server.unsafeMetricsUserAttributes": ([], "names of users are counted for whoever reads the metrics"),
    "client.showErrorDetails": ("none", "errors show the program's insides to users"),
    "client.disableDataExport": (True, "tables are taken away without a record, with texts that run as formulas"),
    "browser.gatherUsageStats": (False, "usage is reported to Streamlit"),
    "global.developmentMode": (False, "anybody can stop the server"),
    "runner.magicEnabled": (False, "a forgotten expression in a page shows its value"),
    "runner.fastReruns": (False, "a second click can make the same change once more"),
    "global.e2eTest": (False, "anybody can stop the server"),
}
LARGEST_UPLOAD = 50  # MB


def weakened(option: Option, *, demo: bool) -> list[str]:
    """A sentence for each setting that makes the app less safe than it comes. Raises StartError for one it cannot do
    without."""
    _require_browser_header(option)
    found = [
        f"{name} is {json.dumps(option(name))}, not {json.dumps(wanted)}: {meaning}."
        for name, (wanted, meaning) in EXPECTED.items()
        if option(name) != wanted
    ]
    if not 0 < option("server.maxUploadSize") <= LARGEST_UPLOAD:
        found.append(
            f"server.maxUploadSize is {option('server.maxUploadSize')} MB: a few uploads can fill the memory; "
            f"{LARGEST_UPLOAD} is plenty."
        )
    if not is_local(option("server.address")) and not option("server.sslCertFile"):
        found.append(
            f"server.address is {json.dumps(option('server.address'))} and no certificate is set: who can read the "
            "network can read passwords, unless a proxy on this machine speaks HTTPS."
        )
    if re.search(r"[*/]", os.environ.get("FORWARDED_ALLOW_IPS", "")):
        found.append(
            "FORWARDED_ALLOW_IPS is more than addresses of proxies: whoever connects from there can name any address "
            "as theirs, which goes on the record and escapes the count of failed sign-ins."
        )
    if demo and not is_local(option("server.address")):
        found.append(
            f"server.address is {json.dumps(option('server.address'))} and the demo is on: its accounts, an admin's "
            "too, have a password that everybody knows. Set BACKSTITCH_DEMO=no before this is more than a demo."
        )
    return found


def _require_browser_header(option: Option) -> None:
    trusted = option("server.trustedUserHeaders")
    if trusted != {BROWSER_HEADER: "browser"}:
        raise StartError(
            "server.trustedUserHeaders is not what .streamlit/config.toml sets, so a tab could be taken over with its "
            "id; remove the setting that replaces it."
        )


def is_local(address: str | None) -> bool:
    """Whether a server that listens there is reached from this machine only."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return False


def hosts() -> Iterable[str]:
    """The host names that the app is served under, apart from this machine's."""
    named = (st.get_option("server.address"), st.get_option("browser.serverAddress"))
    return [*startup.current().settings.hosts, *(name.lower() for name in named if name)]
