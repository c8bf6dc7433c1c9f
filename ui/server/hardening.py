"""Checks the effective values of the Streamlit settings that security depends on.

`.streamlit/config.toml` sets them; an environment variable, a flag or another config.toml can override it.
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

# The safe value of each setting, and the consequence of any other.
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
MAX_UPLOAD = 50  # MB


def weakened(option: Option, *, demo: bool) -> list[str]:
    """A warning for each setting that is less safe than the default.

    Raises StartError if the setting that binds a tab to its browser is replaced.
    """
    _require_browser_header(option)
    warnings = [
        f"{name} is {json.dumps(option(name))}, not {json.dumps(wanted)}: {meaning}."
        for name, (wanted, meaning) in EXPECTED.items()
        if option(name) != wanted
    ]
    if not 0 < option("server.maxUploadSize") <= MAX_UPLOAD:
        warnings.append(
            f"server.maxUploadSize is {option('server.maxUploadSize')} MB: a few uploads can fill the memory; "
            f"{MAX_UPLOAD} is plenty."
        )
    if not is_local(option("server.address")) and not option("server.sslCertFile"):
        warnings.append(
            f"server.address is {json.dumps(option('server.address'))} and no certificate is set: who can read the "
            "network can read passwords, unless a proxy on this machine speaks HTTPS."
        )
    if re.search(r"[*/]", os.environ.get("FORWARDED_ALLOW_IPS", "")):
        warnings.append(
            "FORWARDED_ALLOW_IPS is more than addresses of proxies: whoever connects from there can name any address "
            "as theirs, which goes on the record and escapes the count of failed sign-ins."
        )
    if demo and not is_local(option("server.address")):
        warnings.append(
            f"server.address is {json.dumps(option('server.address'))} and the demo is on: its accounts, an admin's "
            "too, have a password that everybody knows. Set BACKSTITCH_DEMO=no before this is more than a demo."
        )
    return warnings


def _require_browser_header(option: Option) -> None:
    trusted = option("server.trustedUserHeaders")
    if trusted != {BROWSER_HEADER: "browser"}:
        raise StartError(
            "server.trustedUserHeaders is not what .streamlit/config.toml sets, so a tab could be taken over with its "
            "id; remove the setting that replaces it."
        )


def is_local(address: str | None) -> bool:
    """Whether a server that listens on `address` can be reached from this machine only."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return False


def hosts() -> Iterable[str]:
    """The host names of the app, apart from this machine's own names."""
    configured = (st.get_option("server.address"), st.get_option("browser.serverAddress"))
    return [*startup.current().settings.hosts, *(name.lower() for name in configured if name)]
