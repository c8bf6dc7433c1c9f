"""The settings of the server itself: those that change what statements mean, and those on which durability rests."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, text

from backstitch.doctor import severities
from backstitch.doctor.finding import Finding, literal, or_ok, psql
from db import catalog

SETTINGS = text(catalog.judge("settings"))


class Durability(NamedTuple):
    """A setting with the values that weaken what a commit promises."""

    values: tuple[str, ...]
    severity: str
    consequence: str
    better: str


# A start is not refused by them: whoever tries Backstitch, or tests it, may choose speed.
DURABILITY = {
    "fsync": Durability(("off",), "warning", "a power cut can destroy the whole database", "on"),
    "full_page_writes": Durability(("off",), "warning", "a power cut can destroy pages of the trail", "on"),
    "synchronous_commit": Durability(
        ("off",), "warning", "a crash can lose the last commits, with their records", "on"
    ),
    "wal_level": Durability(("minimal",), "notice", "there can be no base backup and no standby", "replica"),
    "data_checksums": Durability(("off",), "notice", "a disk that returns wrong bytes is not noticed", "on"),
}


def of_server(connection: Connection) -> Iterator[Finding]:
    """Settings of the server that should be as PostgreSQL has them; those of roles are objects of the catalogue."""
    names = [*severities.MEANING, *severities.TIMEOUTS]
    for name, value, usual, source in connection.execute(SETTINGS, {"names": names}):
        if not severities.is_meant(name, value):
            continue
        problem = f"is set to {value}, by the {source} of the server"
        yield Finding("settings", "error", f"setting {name}", problem, _advice(name, usual or "", source))


def durability(connection: Connection) -> list[Finding]:
    """What a commit does not promise on this server."""
    return or_ok("durability", _durability(connection))


def _durability(connection: Connection) -> Iterator[Finding]:
    for name, value, _, source in connection.execute(SETTINGS, {"names": [*DURABILITY]}):
        weak = DURABILITY.get(name)
        if weak and value in weak.values:
            advice = _advice(name, weak.better, source)
            yield Finding("durability", weak.severity, f"setting {name}", f"is {value}: {weak.consequence}", advice)


def _advice(name: str, value: str, source: str) -> str:
    if name == "data_checksums":
        return "stop the server and run pg_checksums --enable on its data directory"
    if source == "command line":
        return f"take {name} off the command line of the server, and start it again"
    if name == "wal_level":
        return f"set {name} = {value} in postgresql.conf, and start the server again"
    return psql(f"alter system set {name} = {literal(value)}", "select pg_reload_conf()")
